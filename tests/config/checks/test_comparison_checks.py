"""Comparisons: those of a study that declares none, of scenarios and of students."""

import pytest

from distillery.config.reading import check_config
from distillery.jobs import UserError


def test_comparisons_that_are_not_declared_are_the_usual_ones(study):
    found = check_config(study)["comparisons"]
    assert found == {"kd_against_scratch": {
        "question": "Does distilling help?", "arms": ["scratch", "kd"], "within": ["one"]}}  # fmt: skip
    study["arms"] = {name: {"method": "ce"} for name in ("scratch", "published_scratch", "other")}
    study["scenarios"]["two"]["arms"] = ["scratch"]
    found = check_config(study)["comparisons"]
    assert {name: declared["question"] for name, declared in found.items()} == {
        "scratch_against_published_scratch": "Does correcting the published recipe help from scratch?"}  # fmt: skip
    study["arms"] = {name: {"method": "ce"} for name in ("first", "second", "third")}
    study["scenarios"]["two"]["arms"] = ["first", "third"]
    found = check_config(study)["comparisons"]
    assert {name: declared["within"] for name, declared in found.items()} == {
        "second_against_first": ["one"], "third_against_first": ["one", "two"]}  # fmt: skip
    assert found["third_against_first"]["question"] == "Is third better than first?"
    study["arms"] = {"first": {"method": "ce"}}
    study["scenarios"]["two"]["arms"] = ["first"]
    assert check_config(study)["comparisons"] == {}


def test_scenarios_can_be_compared(study):
    study["scenarios"]["two"] = {"train": {"bing": 80}}
    study["comparisons"] = {"engines": {"question": "Bing or Google?", "scenarios": ["one", "two"]}}
    assert check_config(study)["comparisons"]["engines"]["within"] == ["scratch", "kd"]
    study["scenarios"]["two"] = {"train": {"mine": 5}}
    with pytest.raises(UserError, match="comparisons.engines.scenarios: one and two train on different classes"):
        check_config(study)


def test_two_students_can_be_compared(study):
    study["scenarios"]["two"] = {"train": {"bing": 80}, "arms": ["kd"]}
    study["comparisons"] = {"both": {"students": ["one.scratch", "two.kd"]}}
    question = check_config(study)["comparisons"]["both"]["question"]
    assert question == "Is distilled on two better than from scratch on one?"
    study["comparisons"]["both"]["within"] = ["one"]
    with pytest.raises(UserError, match="comparisons.both.within: not for students"):
        check_config(study)
    study["comparisons"] = {"both": {"students": ["one.scratch", "two.scratch"]}}
    with pytest.raises(UserError, match="comparisons.both.students: no student two.scratch is trained; .* one.scratch"):
        check_config(study)
    study["comparisons"] = {"both": {"students": ["one.scratch", "two.kd"]}}
    study["scenarios"]["two"] = {"train": {"mine": 5}}
    with pytest.raises(UserError, match="comparisons.both.students: one and two train on different classes"):
        check_config(study)
