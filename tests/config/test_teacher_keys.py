"""Teachers that are not trained: their keys are checked before any job."""

import copy

import pytest
import yaml
from small_config import STUDY

from distillery.config.checks.early_warnings import study_warnings
from distillery.config.queries.training_queries import adoption_of, curated_size, fits_scale, recipe_of, timm_networks
from distillery.config.reading import check_config
from distillery.config.targets.training_files import adopted_teacher, trained_teacher
from distillery.jobs import UserError

CHECKPOINT = {"kind": "checkpoint", "checkpoint": {"model": "own.safetensors", "network": "timm/resnet18"}}
ZERO_SHOT = {"kind": "zero_shot", "zero_shot": {"model": "some/clip"}}
SEVERAL = {"kind": "several", "members": {"own": {"kind": "train"}, "clip": ZERO_SHOT | {"weight": 2.0}}}


def with_teacher(teacher, **changes):
    return yaml.safe_load(STUDY) | {"teacher": copy.deepcopy(teacher)} | changes


def test_a_teacher_that_is_trained_needs_images_and_one_that_is_not_needs_none():
    classes = {name: {"queries": [name], "prompts": [name]} for name in ("wolf", "dog")}
    study = with_teacher(ZERO_SHOT, classes=classes)
    assert check_config(study)["teacher"]["data"]["kind"] == "none"
    with pytest.raises(UserError, match="teacher.data: CIFAR-10 has no class wolf"):
        check_config(with_teacher({"network": "resnet18"}, classes=classes))
    with pytest.raises(UserError, match="teacher.data.kind: a teacher that is trained needs images"):
        check_config(with_teacher({"data": {"kind": "none"}}))


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"kind": "zero_shot"}, "teacher.zero_shot.model: name the model"),
        ({"kind": "checkpoint"}, "teacher.checkpoint.model: name the model"),
        ({"kind": "clip"}, "teacher.kind: 'clip' is not one of train, checkpoint, zero_shot, several"),
        (
            CHECKPOINT | {"checkpoint": {"model": "m", "network": "resnet50"}},
            "network: 'resnet50' is no network of timm",
        ),
        (CHECKPOINT | {"checkpoint": {"model": "m", "mapping": {"dgo": ["1"]}}}, "checkpoint: unknown class dgo"),
        (
            CHECKPOINT | {"checkpoint": {"model": "m", "mapping": {"dog": [1]}}},
            "dog.0: 1 is not of type string; put it",
        ),
        (CHECKPOINT | {"checkpoint": {"model": "m", "std": [1.0, 1.0, 0.0]}}, "checkpoint.std: .* must be above 0"),
        (
            ZERO_SHOT | {"zero_shot": {"model": "m", "prompts": {"cat": ["Dog"]}}},
            "teacher.zero_shot.prompts: cat and dog have the same words",
        ),
        (
            ZERO_SHOT
            | {"zero_shot": {"model": "m", "prompts": {"cat": ["an animal", "pet"], "dog": ["pet", "an animal"]}}},
            "have the same words, so the model cannot tell them apart",
        ),
        (
            ZERO_SHOT | {"zero_shot": {"model": "m", "templates": ["a dog"]}},
            "templates: 'a dog' has no {} for the class",
        ),
        (
            ZERO_SHOT | {"zero_shot": {"model": "m", "fit_scale": True}},
            "fit_scale: the scale is fitted on validation images",
        ),
        (ZERO_SHOT | {"members": SEVERAL["members"]}, "teacher.members: only kind: several has members"),
        ({"kind": "several", "members": {"own": {"kind": "train"}}}, "teacher.members: give at least two"),
        (
            {"kind": "several", "members": {"a": ZERO_SHOT, "b": {"kind": "zero_shot"}}},
            "teacher.members.b.zero_shot.model",
        ),
    ],
)
def test_a_mistake_is_one_line(teacher, message):
    with pytest.raises(UserError, match=message) as error:
        check_config(with_teacher(teacher))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["attention_transfer", "fitnet", "published_kd"])
@pytest.mark.parametrize("teacher", [CHECKPOINT, ZERO_SHOT, SEVERAL], ids=lambda teacher: teacher["kind"])
def test_methods_that_need_more_than_logits_are_refused(teacher, method):
    arms = {"scratch": {"method": "ce"}, "kd": {"method": "kd"}, "other": {"method": method}}
    with pytest.raises(UserError, match=f"arms.other: {method} .* gives only logits"):
        check_config(with_teacher(teacher, arms=arms))
    check_config(with_teacher({}, arms=arms))


def test_a_job_depends_on_the_keys_of_its_kind_alone():
    study = check_config(with_teacher(SEVERAL))
    members = adoption_of(study)["members"]
    assert set(members["own"]) == {"kind", "weight"} and set(members["clip"]) == {"kind", "weight", "zero_shot"}
    assert (trained_teacher(study), adopted_teacher(study)) == (
        "results/teacher/trained.safetensors", "results/teacher/model.safetensors",
    )  # fmt: skip
    assert timm_networks(check_config(with_teacher(CHECKPOINT))) == ["timm/resnet18"]
    assert timm_networks(check_config(with_teacher({}))) == []


def test_a_scale_is_fitted_only_where_labels_are_trusted():
    trusting = with_teacher(ZERO_SHOT | {"zero_shot": {"model": "m", "fit_scale": True}})
    trusting["split"]["val"] = {"google": 10}
    study = check_config(trusting)
    assert fits_scale(study) and adopted_teacher(study) == "results/teacher/unscaled.safetensors"
    assert not fits_scale(check_config(with_teacher(ZERO_SHOT)))


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_images_are_curated_at_the_teachers_size_and_views_suit_it():
    study = check_config(with_teacher(CHECKPOINT | {"image_size": 224}, image_size=96, curation={"min_side": 224}))
    assert curated_size(study) == 224 and recipe_of(study, "student")["image_size"] == 96
    assert recipe_of(study, "student")["view"] == recipe_of(study, "teacher")["view"] == "resized_crop"
    assert study_warnings(study) == []
    small = check_config(with_teacher({}))
    assert curated_size(small) == 32 and recipe_of(small, "student")["view"] == "pad_crop"
    assert (
        recipe_of(check_config(with_teacher({}, student={"view": "resized_crop"})), "student")["view"] == "resized_crop"
    )


def test_a_teacher_of_smaller_images_than_its_students_is_refused():
    with pytest.raises(UserError, match="teacher.image_size: 24 is less than the students' image_size, 32"):
        check_config(with_teacher({"image_size": 24}))


def test_enlarged_images_give_a_warning():
    study = check_config(with_teacher({}, image_size=96, classes=None) | {"classes": yaml.safe_load(STUDY)["classes"]})
    cifar, enlarged = study_warnings(study)
    assert cifar.startswith("teacher.data: CIFAR-10's images have 32 pixels and are enlarged to 96")
    assert enlarged == "curation.min_side: images from 32 pixels are kept and enlarged to 96; raise it to 96"
