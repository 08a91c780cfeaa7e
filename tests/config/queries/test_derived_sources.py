"""Sources without labels: what the configuration refuses, and what queries of the rules return."""

import copy

import pytest
import yaml

from distillery.config.queries import derived_sources as derived
from distillery.config.queries import retrieval_queries, source_queries
from distillery.config.queries.cleaning import audits_of
from distillery.config.reading import check_config
from distillery.config.targets import image_files, report_files
from distillery.jobs import UserError
from distillery.sources.own_files import check_own_files

STUDY = """
classes: {cat: {}, dog: {}}
sources:
  mine: {kind: folder, path: images}
  phone: {kind: folder, path: phone, labels: teacher}
  album: {kind: folder, path: album, labels: none}
  spare: {kind: folder, path: spare, labels: teacher, threshold: 0.5}
split: {test: {mine: 4}, val: {mine: 2}}
teacher: {data: {kind: folder, path: trained, test_path: tested}}
arms: {scratch: {method: ce}, kd: {method: kd}, free: {method: kd, alpha: 1}, hard: {method: hard_teacher, alpha: 1.0}}
scenarios:
  small: {train: {mine: 2}, arms: [scratch, kd]}
  large: {train: {phone: 10, mine: 2}, arms: [scratch, kd], clean: true}
  as_they_are: {train: {album: 7}, arms: [free, hard]}
"""


@pytest.fixture
def raw():
    return yaml.safe_load(STUDY)


@pytest.fixture
def study(raw):
    return check_config(raw)


def test_derived_sources_are_separate_from_base_sources(study):
    assert derived.derived_sources(study) == ["phone", "album"] and derived.base_sources(study) == ["mine"]
    assert derived.audited_sources(study) == ["mine"]
    assert derived.wanted_base_images(study) == {"test": {"mine": 4}, "val": {"mine": 2}, "train": {"mine": 2}}
    assert derived.unlabeled_and_generated(study, "large") == ["phone"]
    assert derived.unlabeled_and_generated(study, "small") == []
    assert derived.sources_of_any_class(study, "as_they_are") == ["album"]
    assert derived.sources_of_any_class(study, "large") == []
    assert study["sources"]["phone"]["threshold"] == 0.9 and study["sources"]["spare"]["threshold"] == 0.5


def test_files_of_a_study_with_derived_sources(study):
    assert image_files.base_file(study, "splits.parquet") == "results/base/splits.parquet"
    assert image_files.pools(study, "phone", "tar") == ["resources/pools/phone/unlabeled.tar"]
    assert audits_of(study, "large") == ["results/audit/mine.parquet"]
    drawn = {path.removeprefix("results/figures/").removesuffix(".png") for path in report_files.sheets(study)}
    assert drawn == {
        *("contact_mine", "label_issues_mine", "duplicates_mine", "kinds_mine", "kinds_phone", "kinds_album"),
        *("contact_phone", "duplicates_phone", "left_out_phone", "contact_album", "duplicates_album"),
    }
    assert derived.import_settings(study, "phone").keys() == study["sources"]["mine"].keys()


def test_a_study_without_derived_sources_has_one_split(raw):
    for name in ("phone", "album", "spare"):
        del raw["sources"][name]
    raw["scenarios"] = {"small": raw["scenarios"]["small"]}
    study = check_config(raw)
    assert image_files.base_file(study, "splits.parquet") == "results/splits.parquet"
    assert derived.base_sources(study) == source_queries.used_sources(study) == ["mine"]
    assert derived.wanted_base_images(study) == retrieval_queries.wanted_images(study)
    assert derived.labels_of_pools(study, "mine") == ["cat", "dog"]
    assert derived.import_settings(study, "mine") == study["sources"]["mine"]
    assert not {"labels", "threshold"} & set(study["sources"]["mine"])


def change(config, path, value):
    *path, last = path
    for key in path:
        config = config[key]
    if value is None:
        del config[last]
    else:
        config[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("split", "test", "phone"),
            4,
            "split.test.phone: the source has no labels of its own .* cannot give test images",
        ),
        (("split", "val", "album"), 4, "split.val.album: .* cannot give validation images; remove it"),
        (
            ("sources", "mine", "threshold"),
            0.5,
            "sources.mine.threshold: only a source with labels: teacher has a threshold",
        ),
        (("sources", "album", "threshold"), 0.5, "sources.album.threshold: labels: none keeps all images"),
        (("sources", "phone", "threshold"), 1.0, "sources.phone.threshold"),
        (("sources", "phone", "labels"), "folders", "sources.phone.labels: 'folders' is not one of teacher, none"),
        (("sources", "phone", "per_class"), 5, "sources.phone.per_class: a source without labels has no classes"),
        (("classes", "unlabeled"), {}, "classes.unlabeled: images without a label, in source phone, have this name"),
        (
            ("scenarios", "as_they_are", "arms"),
            ["free", "kd", "scratch"],
            "arms: kd, scratch cannot train on source album",
        ),
        (("scenarios", "as_they_are", "arms"), None, r"as_they_are.arms: scratch, kd cannot train on source album"),
        (
            ("teacher", "data"),
            {"kind": "sources", "train_sources": ["spare"], "test_sources": ["spare"]},
            "teacher.data.t.*_sources: spare",
        ),
    ],
)
def test_uses_that_need_labels_are_refused_for_sources_without_them(raw, path, value, message):
    change(raw, path, value)
    if path == ("classes", "unlabeled"):
        raw["scenarios"], raw["split"] = {"as_they_are": raw["scenarios"]["as_they_are"]}, {"test": {"mine": 6}}
    with pytest.raises(UserError, match=message):
        check_config(raw)


def test_images_taken_as_they_are_need_not_be_a_multiple_of_the_classes(raw):
    change(raw, ("scenarios", "large", "train", "phone"), 7)
    with pytest.raises(UserError, match="large.train.phone: 7 images cannot be balanced over 2 classes"):
        check_config(raw)


@pytest.mark.parametrize(("phone", "trained"), [("trained", "trained"), ("trained/cat", "trained"), ("all", "all/in")])
def test_the_teacher_labels_no_image_it_was_trained_on(raw, phone, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    raw["sources"]["phone"]["path"], raw["teacher"]["data"]["path"] = phone, trained
    for folder in ("images", trained, "tested"):
        for label in ("cat", "dog"):
            (tmp_path / folder / label).mkdir(parents=True)
            for number in range(8):
                (tmp_path / folder / label / f"{number}.jpg").touch()
    for folder in ("album", "spare"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match=f"sources.phone.path: {phone} overlaps with {trained} of teacher.data.path"):
        check_own_files(check_config(raw))
    other = copy.deepcopy(raw)
    other["sources"]["phone"]["path"] = "album"
    assert check_own_files(check_config(other)) == []


def test_a_card_tells_from_where_images_without_labels_have_them(study):
    assert derived.kinds_on_card(study, "large") == {"phone": "labels: teacher", "mine": "folder"}
    assert derived.kinds_on_card(study, "as_they_are") == {"album": "labels: none"}
