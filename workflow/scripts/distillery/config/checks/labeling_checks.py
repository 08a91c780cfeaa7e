"""Checks of sources without labels of their own, and of the arms that may train on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from distillery.config.choices import LABEL_FREE, UNLABELED


def labeling_problems(config: dict[str, Any]) -> Iterator[str]:
    """What is wrong with sources without labels, a line each; fills in their thresholds."""
    sources, data = config["sources"], config["teacher"]["data"]
    for name, source in sources.items():
        labels = source.get("labels")
        if not labels:
            if "threshold" in source:
                yield f"sources.{name}.threshold: only a source with labels: teacher has one; take it out"
            continue
        if labels == "none" and "threshold" in source:
            yield f"sources.{name}.threshold: labels: none takes all images; take it out, or take labels: teacher"
        if labels == "teacher":
            source.setdefault("threshold", 0.9)
        if source["per_class"]:
            yield f"sources.{name}.per_class: a source without labels has no classes to count; take it out"
        for key in ("test", "val"):
            if name in config["split"][key]:
                yield (
                    f"split.{key}.{name}: its labels are not checked by anyone (labels: {labels}), so it gives no"
                    f" {'test' if key == 'test' else 'validation'} images; take it out"
                )
        for key in ("train_sources", "test_sources") if data["kind"] == "sources" else ():
            if name in data[key]:
                yield f"teacher.data.{key}: {name} has no labels (labels: {labels}); take a source with labels"
        if UNLABELED in config["classes"]:
            yield f"classes.{UNLABELED}: source {name} has images without a label under this name; take another name"
    yield from _problems_of_arms(config)


def _problems_of_arms(config: dict[str, Any]) -> Iterator[str]:
    """Arms that read labels in a scenario that has images without any."""
    for name, scenario in config["scenarios"].items():
        without = [source for source in scenario["train"] if config["sources"][source].get("labels") == "none"]
        known = [arm for arm in scenario["arms"] if arm in config["arms"]]
        if without and (wrong := [arm for arm in known if not reads_no_label(config["arms"][arm])]):
            yield (
                f"scenarios.{name}.arms: {', '.join(wrong)} would train on labels that source {without[0]} lacks"
                " (labels: none). Give the scenario arms of method kd or hard_teacher with alpha: 1, or take labels:"
                " teacher"
            )


def reads_no_label(arm: dict[str, Any]) -> bool:
    """Whether the loss of an arm is the same whatever the labels are."""
    return arm["method"] in LABEL_FREE and arm["alpha"] == 1
