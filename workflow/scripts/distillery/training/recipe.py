"""How a network is trained: the recipe of the configuration, and the learning rate it gives each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import cos, isfinite, pi
from typing import Any

from distillery.jobs import UserError

SCHEDULES = ("cosine", "triangular", "constant")
OPTIMIZERS = ("sgd", "muon")
# stand beside the recipe in the sections `teacher` and `student` of the configuration; no part of it
NOT_RECIPE = ("data", "seed", "threads", "tune")


@dataclass(frozen=True)
class Recipe:
    """What decides a training besides its data, loss and seed, in the configuration's words and with its defaults."""

    network: str
    steps: int  # optimizer steps, equal for every number of images
    batch: int  # images a step
    lr: float  # the highest
    optimizer: str = "sgd"
    momentum: float = 0.9  # Nesterov
    weight_decay: float = 5e-4  # L2, of convolutions' and linear layers' weights only
    schedule: str = "cosine"
    warmup: float = 0.05  # share of the steps
    crop: int = 4  # pixels of reflected border
    flip: bool = True
    cutout: int = 0  # pixels a side of a gray square laid on every view; 0 for none
    mixup: float = 0.0  # α of Beta(α, α); 0 for none
    ema: float = 0.0  # decay of the weights' moving ema, which is then what is tested; 0 for the last weights
    checkpoint_every: int = 500  # steps; 0 for none before the end

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Recipe:
        """The recipe in a section of the configuration (`student`, `teacher`).

        Raises:
            UserError: a key is unknown or missing, or a value is out of its range.
        """
        known = [field.name for field in fields(cls)]
        values = {key: value for key, value in section.items() if key not in NOT_RECIPE}
        if unknown := sorted(set(values) - set(known)):
            raise UserError(f"recipe: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
        if missing := [name for name in ("network", "steps", "batch", "lr") if name not in values]:
            raise UserError(f"recipe: key {', '.join(missing)} is missing")
        recipe = cls(**values)
        for name, right, rule in recipe._rules():
            if not right:
                raise UserError(f"recipe: {name} is {getattr(recipe, name)!r}, but must be {rule}")
        return recipe

    def _rules(self) -> list[tuple[str, bool, str]]:
        return [
            ("steps", self.steps >= 1, "at least 1"),
            ("batch", self.batch >= 2, "at least 2, or batch norm has nothing to compare"),
            ("lr", self.lr > 0 and isfinite(self.lr), "above 0"),
            ("optimizer", self.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}"),
            ("momentum", 0 <= self.momentum < 1, "at least 0 and below 1"),
            ("weight_decay", self.weight_decay >= 0, "at least 0"),
            ("schedule", self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
            ("warmup", 0 <= self.warmup <= 1, "a share from 0 to 1"),
            ("crop", self.crop >= 0, "at least 0"),
            ("cutout", self.cutout >= 0, "at least 0"),
            ("mixup", self.mixup >= 0, "at least 0"),
            ("ema", 0 <= self.ema < 1, "at least 0 and below 1"),
            ("checkpoint_every", self.checkpoint_every >= 0, "at least 0"),
        ]


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of one step: linear from 0 over the warm-up, then by the schedule.

    `cosine` decays to 0 along half a cosine, `triangular` decays linearly to 0, `constant` stays. A step has the rate
    at its middle, so that neither the first nor the last step has a rate of 0.

    Args:
        step: 0 to recipe.steps − 1.
    """
    time = (step + 0.5) / recipe.steps
    if time < recipe.warmup:
        return recipe.lr * time / recipe.warmup
    left = (1 - time) / (1 - recipe.warmup)  # falls from 1 after the warm-up to 0 at the end
    if recipe.schedule == "cosine":
        return recipe.lr * (1 - cos(pi * left)) / 2
    return recipe.lr * (left if recipe.schedule == "triangular" else 1)
