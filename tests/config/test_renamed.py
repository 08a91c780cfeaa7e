"""For old keys and values, the error gives the new name in one line."""

import pytest
import yaml
from small_config import STUDY, merge

from distillery.config.reading import check_config
from distillery.jobs import UserError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"student": {"optimiser": "muon"}}, "student.optimiser is now student.optimizer"),
        ({"teacher": {"optimiser": "sgd"}}, "teacher.optimiser is now teacher.optimizer"),
        ({"sources": {"sd": {"judge": "some/clip"}}}, "sources.sd.judge is now sources.sd.clip_scorer"),
        (
            {"teacher": {"zero_shot": {"trust_val": True}}},
            "teacher.zero_shot.trust_val is now teacher.zero_shot.fit_scale",
        ),
        (
            {"arms": {"standard": {"method": "kd_standardised"}}},
            "arms.standard.method: kd_standardised is now kd_standardized",
        ),
        (
            {"curation": {"duplicate_distance": 4}},
            "curation.duplicate_distance is obsolete: near-duplicates are found by their content now; remove it, or set"
            " curation.duplicates: off to keep them all",
        ),
        (
            {"split": {"group_distance": 8}},
            "split.group_distance is obsolete: near-duplicates are found by their content now; remove it",
        ),
        ({"scenarios": {"two": {"augment": "colour"}}}, "scenarios.two.augment: colour is now color"),
    ],
)
def test_an_error_about_an_old_name_gives_the_new_one(change, message):
    study = yaml.safe_load(STUDY)
    merge(study, change)
    with pytest.raises(UserError) as error:
        check_config(study)
    assert str(error.value) == f"config: {message}"


@pytest.mark.parametrize("section", ["teacher", "sources", "arms", "scenarios"])
@pytest.mark.parametrize("value", [None, 3, [], {"a": None}, {"a": []}, {"a": {"method": [], "augment": {}}}])
def test_a_section_of_the_wrong_type_is_left_to_the_check(section, value):
    with pytest.raises(UserError, match="^config: ") as error:
        check_config(yaml.safe_load(STUDY) | {section: value})
    assert "is now" not in str(error.value)


def test_names_that_a_user_chooses_are_not_taken_for_keys():
    study = yaml.safe_load(STUDY)
    study["arms"] = {"kd_standardised": {"method": "kd_standardized"}, "kd": {"method": "kd"}}
    study["scenarios"]["one"]["arms"] = ["kd"]  # of two classes
    assert check_config(study)["arms"]["kd_standardised"]["temperature"] == 2.0
