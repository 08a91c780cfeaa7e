"""Checks of teachers that the study does not train."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from distillery.config.choices import TIMM_PATTERN
from distillery.config.queries.training_queries import adopted_members, kinds_of_teacher
from distillery.display_names import class_words

COMPARE_FEATURES = ("attention_transfer", "fitnet")  # methods that need the teacher's activations


def teacher_problems(config: dict[str, Any]) -> Iterator[str]:
    """The problems of the section `teacher` and of arms that cannot use such a teacher, one line each."""
    teacher = config["teacher"]
    kinds = kinds_of_teacher(config)
    if teacher["kind"] == "several" and (len(kinds) < 2 or kinds.count("train") > 1):
        yield "teacher.members: give at least two teachers, at most one of them of kind train"
    if teacher["kind"] != "several" and teacher["members"]:
        yield "teacher.members: only kind: several has members; remove them or change the kind"
    if "train" in kinds and teacher["data"]["kind"] == "none":
        yield "teacher.data.kind: a teacher that is trained needs images; use another kind than none"
    for key, member in adopted_members(config).items():
        part = member[member["kind"]]
        where = f"{key}.{member['kind']}"
        if not part["model"]:
            yield f"{where}.model: name the model, a file, a folder or an id on the Hugging Face hub"
        yield from _class_problems(config, where, part["mapping" if member["kind"] == "checkpoint" else "prompts"])
        if member["kind"] == "checkpoint":
            yield from _checkpoint_problems(where, part)
        else:
            yield from _zero_shot_problems(config, where, part)
    if adopted_members(config):
        for name, arm in config["arms"].items():
            changes = arm["method"] == "published_kd" or "trained_teacher" in arm.get("faults", ())
            if arm["method"] in COMPARE_FEATURES or changes:
                what = "changes the teacher" if changes else "compares activations"
                yield (
                    f"arms.{name}: {arm['method']} {what}, but teacher.kind {teacher['kind']} gives only logits; use"
                    " another method, or kind: train"
                )


def _class_problems(config: dict, key: str, by_class: dict) -> Iterator[str]:
    for label in by_class:
        if label not in config["classes"]:
            yield f"{key}: unknown class {label}; known are {', '.join(config['classes'])}"


def _checkpoint_problems(key: str, part: dict) -> Iterator[str]:
    if part["network"] and not re.fullmatch(TIMM_PATTERN, part["network"]):
        yield f"{key}.network: {part['network']!r} is no network of timm, such as timm/tf_efficientnet_lite0"
    if any(value <= 0 for value in part["std"]):
        yield f"{key}.std: {part['std']} must be above 0"


def _zero_shot_problems(config: dict, key: str, part: dict) -> Iterator[str]:
    for template in part["templates"]:
        if "{}" not in template:
            yield f"{key}.templates: {template!r} has no {{}} for the class, so all classes would be the same; add it"
    first_with: dict[frozenset[str], str] = {}
    for label, words in class_words(config["classes"], part["prompts"]).items():
        if (other := first_with.setdefault(frozenset(word.casefold().strip() for word in words), label)) != label:
            yield f"{key}.prompts: {other} and {label} have the same words, so the model cannot tell them apart"
    if part["fit_scale"]:
        if config["teacher"]["kind"] == "several":
            yield f"{key}.fit_scale: the scale is not fitted for one of several teachers; remove the key"
        if not any(config["split"]["val"].get(name) for name in config["split"]["common"]):
            yield f"{key}.fit_scale: the scale is fitted on validation images; give split.val a source of split.common"
