"""Read a checked configuration for training: the teacher, arms, recipes and hyperparameters.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distillery.config.choices import NETWORKS
from distillery.config.models.arms import ARMS
from distillery.config.models.recipes import CopiesConfig, RecipeConfig
from distillery.config.queries.cleaning import cleans_labels
from distillery.config.queries.source_queries import Study, kept_by_teacher


def recipe_of(study: Study, part: str) -> dict[str, Any]:
    """The training recipe of the teacher or the student: the keys that change a result.

    It lacks checkpoint_every, which rules pass as a resource, because a changed resource retrains nothing.

    Args:
        part: `teacher` or `student`.
    """
    keys = set(RecipeConfig.model_fields) - {"checkpoint_every"}
    recipe = {key: value for key, value in study[part].items() if key in keys}
    return recipe | {"image_size": study["image_size"] if part == "student" else curated_size(study)}


def changed_copies(study: Study) -> dict[str, dict[str, Any]]:
    """A rule's parameter `copies`: the keys of `copies` that differ from their defaults; no parameter if none does."""
    usual = {name: field.default for name, field in CopiesConfig.model_fields.items()}
    changed = {name: value for name, value in study["copies"].items() if value != usual[name]}
    return {"copies": changed} if changed else {}


def curated_size(study: Study) -> int:
    """Side in pixels of curated images and of views: the larger of the teacher's and the students' image size."""
    return max(study["image_size"], study["teacher"]["image_size"])


def timm_networks(study: Study) -> list[str]:
    """The networks of timm that the study uses, sorted."""
    trained = {study["student"]["network"]}
    trained |= {study["teacher"]["network"]} if "train" in kinds_of_teacher(study) else set()
    adopted = {member["checkpoint"]["network"] for member in adopted_members(study).values()}
    return sorted((trained | adopted) - {*NETWORKS, ""})


def kinds_of_teacher(study: Study) -> list[str]:
    """The kind of the teacher, or the kind of each of several teachers."""
    teacher = study["teacher"]
    several = teacher["kind"] == "several"
    return [member["kind"] for member in teacher["members"].values()] if several else [teacher["kind"]]


def adopted_members(study: Study) -> dict[str, dict[str, Any]]:
    """The teachers that the study does not train, by their key in the configuration."""
    teacher = study["teacher"]
    members = {f"teacher.members.{name}": member for name, member in teacher["members"].items()}
    found = members if teacher["kind"] == "several" else {"teacher": teacher}
    return {key: member for key, member in found.items() if member["kind"] in ("checkpoint", "zero_shot")}


def adoption_of(study: Study) -> dict[str, Any]:
    """The settings that decide an adopted teacher; of each teacher only the keys of its kind."""
    teacher = study["teacher"]

    def settings(member: Mapping[str, Any]) -> dict[str, Any]:
        return {key: member[key] for key in ("kind", "weight", member["kind"]) if key in member}

    if teacher["kind"] == "several":
        return {"kind": "several", "members": {name: settings(member) for name, member in teacher["members"].items()}}
    return settings(teacher)


def fits_scale(study: Study) -> bool:
    """Whether the scale of a zero-shot teacher is fitted on validation images."""
    return study["teacher"]["kind"] == "zero_shot" and study["teacher"]["zero_shot"]["fit_scale"]


def settings_of_arm(study: Study, arm: str) -> dict[str, Any]:
    """An arm's method and its settings without its grid, sorted by key."""
    return {key: value for key, value in sorted(study["arms"][arm].items()) if key != "tune"}


def uses_teacher(study: Study, arm: str) -> bool:
    """Whether the method of an arm uses the teacher."""
    return ARMS[study["arms"][arm]["method"]].uses_teacher


def arms_without_teacher(study: Study) -> list[str]:
    """The arms whose method does not use the teacher."""
    return [arm for arm in study["arms"] if not uses_teacher(study, arm)]


def scenarios_chosen_by_teacher(study: Study) -> list[str]:
    """The scenarios whose train images a teacher labels or chooses. With several teachers it is the first for all runs.

    Another teacher would change their students, from scratch too.
    """

    def chooses(source: str) -> bool:
        return study["sources"][source].get("labels") == "teacher" or kept_by_teacher(study, source)

    return [
        name
        for name, scenario in study["scenarios"].items()
        if cleans_labels(scenario) or any(map(chooses, scenario["train"]))
    ]


def design_of_study(study: Study) -> dict[str, Any]:
    """The part of the configuration that decides how small a difference the study can detect."""
    return {
        "seeds": study["seeds"],
        "correction": study["correction"],
        "comparisons": {
            name: {key: value for key, value in one.items() if key != "question"}
            for name, one in study["comparisons"].items()
        },
        "scenarios": {name: {"arms": one["arms"]} for name, one in study["scenarios"].items()},
        "split": {key: study["split"][key] for key in ("test", "common", "draws")},
        "teacher": {"seeds": study["teacher"]["seeds"]},
    }


def tuning_of(study: Study, scenario: str, arm: str) -> tuple[str, dict[str, Any]] | None:
    """The name and the grid of the tuning that chooses an arm's learning rate and weight decay; None without tuning.

    The name is `{scenario}.{arm}` if the arm has its own grid, else `{scenario}`.
    """
    settings = study["arms"][arm]
    if "tune" in settings:
        return f"{scenario}.{arm}", settings["tune"]
    published = settings["method"].startswith("published")  # has a fixed learning rate and weight decay
    return (scenario, study["student"]["tune"]) if "tune" in study["student"] and not published else None


def is_tuned(study: Study, scenario: str) -> bool:
    """Whether trials choose the learning rate and weight decay of any arm of a scenario."""
    return any(tuning_of(study, scenario, arm) for arm in study["scenarios"][scenario]["arms"])


def deployed_students(study: Study) -> list[str]:
    """The students to export and measure on request, as scenario.arm; by default those of the first scenario."""
    first = next(iter(study["scenarios"]))
    return study.get("deployed") or [f"{first}.{arm}" for arm in study["scenarios"][first]["arms"]]
