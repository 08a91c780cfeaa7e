"""The learning rate and weight decay of a scenario, chosen on the validation images from a declared grid.

Tried from scratch, on the labels alone, and taken over by every arm: distillation is compared with the best that labels
can do, and the arms still differ in nothing but the loss. An arm may have a grid of its own, tried with its own loss:
then it is compared at its best, and differs in these two settings as well. Test images choose nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distillery.jobs import UserError, log
from distillery.storage.files import atomic_write
from distillery.training.recipe import Recipe

if TYPE_CHECKING:
    from distillery.distillation.methods import Arm
    from distillery.distillation.student import ScenarioData


@dataclass(frozen=True)
class Trial:
    """What one training with one setting reached: accuracy 0 to 1 on the validation images; None if it diverged."""

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
    lr: float,
    weight_decay: float,
    seed: int,
    label: str,
    checkpoints: str | Path,
    threads: int = 0,
    deterministic: bool = False,
) -> Trial:
    """Train one student with a learning rate and weight decay; one that diverges has no accuracy.

    Args:
        teacher: weights; read only by the arms it takes part in.
        recipe: everything else.
        label: of the progress.

    Raises:
        UserError: the data has no validation images.
    """
    # torch, which choosing among trials does without
    from distillery.distillation.student import fit_student
    from distillery.training.hardware import choose_device
    from distillery.training.loop import Diverged

    if not len(data.val):
        raise UserError(f"{label}: no validation images to choose by. Give split.val counts, or remove tune")
    recipe = replace(recipe, lr=lr, weight_decay=weight_decay)
    device = choose_device(threads, deterministic)
    try:
        _, history = fit_student(data, arm, recipe, teacher, seed, checkpoints, device, label, keep_weights=False)
    except Diverged as error:
        log.warning("%s This setting is passed over.", error)
        return Trial(lr, weight_decay, seed, None)
    return Trial(lr, weight_decay, seed, history[-1].val_accuracy)


def choose(trials: Sequence[Trial], grid: str = "student.tune") -> tuple[float, float]:
    """The learning rate and weight decay of the highest mean accuracy over seeds; of equals, the smaller ones.

    A setting that diverged with any seed is passed over: with it, one of the study's own trainings might as well.

    Says so if the best is at the end of what was tried, where a better one may lie beyond.

    Args:
        grid: the configuration's key, for what is said.

    Raises:
        UserError: every setting diverged.
    """
    reached: dict[tuple[float, float], list[float | None]] = {}
    for trial in trials:
        reached.setdefault((trial.lr, trial.weight_decay), []).append(trial.val_accuracy)
    steady = sorted(setting for setting, accuracies in reached.items() if None not in accuracies)
    if not steady:
        raise UserError(f"every setting of {grid} diverged. Give {grid}.lr smaller values.")
    best = max(steady, key=lambda setting: np.mean(reached[setting]))
    for name, value, tried in zip(("lr", "weight_decay"), best, zip(*reached, strict=True), strict=True):
        if len(set(tried)) > 1 and value in (min(tried), max(tried)):
            log.warning("%s %g is at the end of what was tried; widen %s.%s", name, value, grid, name)
    return best


def write_trial(path: str | Path, trial: Trial) -> None:
    """Keep a trial as JSON."""
    atomic_write(path, json.dumps(vars(trial)) + "\n")


def write_choice(path: str | Path, trials: Iterable[str | Path], grid: str = "student.tune") -> None:
    """Choose among trials written before: keys lr, weight_decay and, of every trial, `trials`.

    Raises:
        UserError: every setting diverged.
    """
    found = [Trial(**json.loads(Path(trial).read_text())) for trial in trials]
    try:
        lr, weight_decay = choose(found, grid)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    content = {"lr": lr, "weight_decay": weight_decay, "trials": [vars(trial) for trial in found]}
    atomic_write(path, json.dumps(content, indent=2) + "\n")


def tuned(recipe: Recipe, choice: str | Path | None) -> Recipe:
    """A recipe with the settings of `write_choice`; as it is without a choice."""
    if not choice:
        return recipe
    chosen: Mapping[str, Any] = json.loads(Path(choice).read_text())
    return replace(recipe, lr=chosen["lr"], weight_decay=chosen["weight_decay"])
