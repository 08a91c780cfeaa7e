"""A teacher has images of its own, of all classes."""

import pytest

from distillery.config.queries.source_queries import teacher_sources, used_sources
from distillery.config.reading import check_config
from distillery.jobs import UserError


@pytest.mark.parametrize(
    "data, message",
    [
        ({"kind": "folder", "path": "a"}, "teacher.data.test_path: the teacher would be tested on its train images"),
        (
            {"kind": "folder", "path": "a", "test_path": "b/../a"},
            "teacher.data.test_path: the teacher would be tested on its train images",
        ),
        ({"kind": "sources"}, "teacher.data.train_sources: no source has class cat, dog"),
        ({"kind": "sources", "train_sources": ["mine"]}, "train_sources: students are trained or tested on mine"),
        (
            {"kind": "sources", "train_sources": ["yahoo"]},
            "train_sources: unknown source yahoo; known are google, bing",
        ),
        (
            {"kind": "sources", "train_sources": ["free", "dogs"], "test_sources": ["dogs"]},
            "test_sources: dogs is also in train_sources",
        ),
        (
            {"kind": "sources", "train_sources": ["free"], "test_sources": ["dogs"]},
            "test_sources: no source has class cat",
        ),
    ],
)
def test_a_teacher_without_data_of_its_own_is_an_error(study, data, message):
    study["sources"] |= {"free": {"kind": "openverse", "per_class": 9}, "dogs": study["sources"]["mine"]}
    study["teacher"] = {"data": data}
    with pytest.raises(UserError, match=message):
        check_config(study)


def test_a_teacher_of_sources(study):
    study["sources"] |= {"free": {"kind": "openverse", "per_class": 9}, "more": {"kind": "bing", "per_class": 9}}
    assert teacher_sources(check_config(study), "train") == []
    study["teacher"] = {"data": {"kind": "sources", "train_sources": ["free"], "test_sources": ["more"]}}
    checked = check_config(study)
    assert [teacher_sources(checked, part) for part in ("train", "test")] == [["free"], ["more"]]
    assert not {"free", "more"} & set(used_sources(checked))


def test_classes_that_the_teacher_s_data_lack_are_named(study):
    study["classes"] = {"spinach": study["classes"]["cat"], "dog": study["classes"]["dog"]}
    with pytest.raises(UserError, match="teacher.data: CIFAR-10 has no class spinach, only airplane"):
        check_config(study)
    study["teacher"] = {"data": {"kind": "drawn", "train": 4, "test": 4}}
    with pytest.raises(UserError, match="classes: spinach cannot be drawn"):
        check_config(study)
