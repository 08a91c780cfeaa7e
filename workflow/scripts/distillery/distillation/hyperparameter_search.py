"""Selects the learning rate and weight decay of a scenario from a grid, by accuracy on the validation images.

The trials train from scratch, on the labels alone, and all arms use the best setting. So distillation is compared with
training from scratch at its best, and the arms differ in the loss alone. An arm may have its own grid, whose trials use
its own loss. Then that arm is compared at its best, but also differs in these two settings. The test images are never
used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from distillery.jobs import UserError, log
from distillery.storage.files import atomic_write
from distillery.training.recipe import Recipe

if TYPE_CHECKING:
    from distillery.distillation.methods.arm import Arm
    from distillery.distillation.scenario_data import ScenarioData


class Setting(NamedTuple):
    """The learning rate and weight decay that a trial tests, and its seed."""

    lr: float
    weight_decay: float
    seed: int

    @classmethod
    def of(cls, path: str | Path) -> Setting:
        """The setting of a trial's file `…/lr{lr}_decay{weight_decay}_seed{seed}.json`."""
        _, lr, weight_decay, seed = re.split("lr|_decay|_seed", Path(path).stem)
        return cls(float(lr), float(weight_decay), int(seed))


@dataclass(frozen=True)
class Trial:
    """One training with one setting: its accuracy, 0 to 1, on the validation images; None if it diverged."""

    lr: float
    weight_decay: float
    seed: int
    val_accuracy: float | None


def run_trial(
    data: ScenarioData,
    teacher: str | Path,
    *,
    arm: Arm,
    recipe: Recipe,
    seed: int,
    label: str,
    checkpoints: str | Path,
    threads: int = 0,
    deterministic: bool = False,
) -> Trial:
    """Train one student with a learning rate and weight decay. If it diverges, the trial has no accuracy.

    Args:
        teacher: weights file; read only if the arm uses a teacher.
        recipe: with the learning rate and weight decay to try.
        label: of the progress bar and messages.

    Raises:
        UserError: the data has no validation images.
    """
    # here, since selecting among trials needs no torch
    from distillery.distillation.student import fit_student
    from distillery.training.hardware import choose_device
    from distillery.training.loop import Diverged

    if not len(data.val):
        raise UserError(f"{label}: no validation images to choose by. Give split.val counts, or remove tune")
    device = choose_device(threads, deterministic)
    try:
        _, history = fit_student(data, arm, recipe, teacher, seed, checkpoints, device, label, keep_weights=False)
    except Diverged as error:
        log.warning("%s This setting is skipped.", error)
        return Trial(recipe.lr, recipe.weight_decay, seed, None)
    return Trial(recipe.lr, recipe.weight_decay, seed, history[-1].val_accuracy)


def select_best(trials: Sequence[Trial], grid: str = "student.tune", label: str = "") -> tuple[float, float]:
    """The learning rate and weight decay with the highest mean accuracy over seeds; on a tie, the smaller ones.

    A setting that diverged with any seed is skipped, since the study's own trainings could diverge with it too. A
    warning is logged if the best value is the smallest or largest of the grid, since a better one may lie beyond.

    Args:
        grid: the configuration's key, for messages.
        label: the scenario and arm, for messages.

    Raises:
        UserError: every setting diverged.
    """
    reached: dict[tuple[float, float], list[float | None]] = {}
    for trial in trials:
        reached.setdefault((trial.lr, trial.weight_decay), []).append(trial.val_accuracy)
    means = {
        setting: np.mean([accuracy for accuracy in accuracies if accuracy is not None])
        for setting, accuracies in sorted(reached.items())
        if None not in accuracies
    }
    if not means:
        raise UserError(f"every setting of {grid} diverged. Give {grid}.lr smaller values.")
    best = max(means, key=lambda setting: means[setting])
    for name, value, tried in zip(("lr", "weight_decay"), best, zip(*reached, strict=True), strict=True):
        if len(set(tried)) > 1 and value in (min(tried), max(tried)):
            end, more = ("smallest", "smaller") if value == min(tried) else ("largest", "larger")
            message = "%sthe best %s, %g, is the %s of its grid; add %s values to %s.%s"
            log.warning(message, f"{label}: " if label else "", name, value, end, more, grid, name)
    return best


def write_trial(path: str | Path, trial: Trial) -> None:
    """Write a trial as JSON."""
    atomic_write(path, json.dumps(vars(trial)) + "\n")


def write_best_setting(
    path: str | Path, trials: Iterable[str | Path], grid: str = "student.tune", label: str = ""
) -> None:
    """Select the best of some trial files, and write it as JSON: keys lr, weight_decay and `trials`, a list of all.

    For a scenario that is not run, the JSON has the key not_run alone: the reason.

    Raises:
        UserError: every setting diverged.
    """
    contents = [json.loads(Path(trial).read_text()) for trial in trials]
    if reason := next((content["not_run"] for content in contents if "not_run" in content), ""):
        atomic_write(path, json.dumps({"not_run": reason}) + "\n")
        return
    found = [Trial(**content) for content in contents]
    try:
        lr, weight_decay = select_best(found, grid, label)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    content = {"lr": lr, "weight_decay": weight_decay, "trials": [vars(trial) for trial in found]}
    atomic_write(path, json.dumps(content, indent=2) + "\n")


def with_best_setting(recipe: Recipe, path: str | Path | None) -> Recipe:
    """The recipe with learning rate and weight decay from `write_best_setting`; without a path, the recipe itself."""
    if not path:
        return recipe
    best: Mapping[str, Any] = json.loads(Path(path).read_text())
    return replace(recipe, lr=best["lr"], weight_decay=best["weight_decay"])
