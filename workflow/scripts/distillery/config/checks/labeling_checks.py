"""Checks of sources whose images have no labels (key `labels`), and of the arms that may train on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from distillery.config.choices import UNLABELED
from distillery.config.models.arms import ARMS


def labeling_problems(config: dict[str, Any]) -> Iterator[str]:
    """The problems of sources without labels, one line each; fills in the default thresholds."""
    sources, data = config["sources"], config["teacher"]["data"]
    for name, source in sources.items():
        labels = source.get("labels")
        if not labels:
            if "threshold" in source:
                yield f"sources.{name}.threshold: only a source with labels: teacher has a threshold; remove it"
            continue
        if labels == "none" and "threshold" in source:
            yield f"sources.{name}.threshold: labels: none keeps all images; remove it, or use labels: teacher"
        if labels == "teacher":
            source.setdefault("threshold", 0.9)
        if source["per_class"]:
            yield f"sources.{name}.per_class: a source without labels has no classes to count; remove it"
        for key in ("test", "val"):
            if name in config["split"][key]:
                part = "test" if key == "test" else "validation"
                yield (
                    f"split.{key}.{name}: the source has no labels of its own (labels: {labels}), so it cannot give"
                    f" {part} images; remove it"
                )
        for key in ("train_sources", "test_sources") if data["kind"] == "sources" else ():
            if name in data[key]:
                yield f"teacher.data.{key}: {name} has no labels (labels: {labels}); use a source with labels"
        if UNLABELED in config["classes"]:
            yield f"classes.{UNLABELED}: images without a label, in source {name}, have this name; take another name"
    yield from _problems_of_arms(config)


def _problems_of_arms(config: dict[str, Any]) -> Iterator[str]:
    """Problems of arms that need labels in a scenario whose images have none."""
    free = " or ".join(method for method, arm in ARMS.items() if arm.label_free)
    for name, scenario in config["scenarios"].items():
        without = [source for source in scenario["train"] if config["sources"][source].get("labels") == "none"]
        known = [arm for arm in scenario["arms"] if arm in config["arms"]]
        if without and (wrong := [arm for arm in known if not reads_no_label(config["arms"][arm])]):
            yield (
                f"scenarios.{name}.arms: {', '.join(wrong)} cannot train on source {without[0]}, which has no labels"
                f" (labels: none); use arms of method {free} with alpha: 1, or labels: teacher"
            )


def reads_no_label(arm: dict[str, Any]) -> bool:
    """Whether the loss of an arm does not depend on labels."""
    return ARMS[arm["method"]].label_free and arm["alpha"] == 1
