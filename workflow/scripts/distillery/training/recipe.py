"""The recipe of a training, from the configuration, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from math import cos, pi
from typing import Any

from distillery.jobs import UserError


@dataclass(frozen=True)
class Recipe:
    """Settings of a training besides its data, loss and seed. Ranges and defaults are those of the configuration."""

    network: str
    pretrained: bool | str  # weights to start from; see `models.pretrained`
    train: str  # all (layers) or head (the last layer alone)
    body_lr: float  # learning rate of all layers but the head, relative to lr
    steps: int  # optimizer steps, equal for every number of images
    batch: int  # images per step
    lr: float  # peak of the schedule
    optimizer: str  # sgd or muon
    momentum: float  # Nesterov
    weight_decay: float  # L2, of convolutions' and linear layers' weights only
    schedule: str  # cosine, triangular or constant
    warmup: float  # fraction of the steps
    view: str  # pad_crop or resized_crop
    area: float  # smallest fraction of an image's area that a resized crop shows
    jitter: float  # resized crops: factors of brightness, contrast and saturation are 1 ± this
    crop: int  # pixels of reflected border, for pad_crop
    flip: bool
    cutout: int  # side of a gray square on every view, in pixels; 0 for none
    mixup: float  # α of Beta(α, α); 0 for none
    ema: float  # decay of the EMA of the weights, which is then tested; 0 to test the last weights
    checkpoint_every: int  # steps; 0 for none before the end
    image_size: int = 0  # pixels a side to which the network reduces larger images; 0 for no reduction

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Recipe:
        """The recipe of a validated configuration.

        Args:
            section: a value for every field without a default, and nothing else.

        Raises:
            UserError: a key is unknown or missing.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(section) - set(known)):
            raise UserError(f"recipe: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        if missing := [name for name in needed if name not in section]:
            raise UserError(f"recipe: key {', '.join(missing)} is missing")
        return cls(**section)


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
