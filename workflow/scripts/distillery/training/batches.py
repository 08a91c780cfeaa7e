"""What the steps of a training are told: which images, the draws of their views, and a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distillery.training.augmentation import AugmentParams, draw_augmentation
from distillery.training.ema import decay_after
from distillery.training.recipe import Recipe, learning_rate
from distillery.training.rng import rng_for


class StepScalars(NamedTuple):
    """Of one step.

    Attributes:
        share: of the image itself in a mixture, 0 to 1.
        time: share of the steps done, 0 to 1.
        lr: learning rate.
        decay: of the weights' moving ema.
    """

    share: float | Tensor
    time: float | Tensor
    lr: float | Tensor
    decay: float | Tensor


class StepBlock(NamedTuple):
    """The draws of one step, packed so that two small copies take them to where a recorded step reads them.

    Attributes:
        places: int64 [7, B]: rows of the images, top, left, mirrored, down, right, partner of `AugmentParams`.
        numbers: `StepScalars` of floats, or float32 [4] of the device.
    """

    places: Tensor
    numbers: StepScalars | Tensor

    def scalars(self) -> StepScalars:
        """The step's numbers, by name."""
        return StepScalars(*self.numbers)

    def views(self, mixed: bool) -> tuple[Tensor, AugmentParams]:
        """Rows int64 [B] and draws of the step's views; `mixed` says whether the recipe mixes images."""
        rows, top, left, mirrored, down, right, partner = self.places
        share = self.scalars().share if mixed else None
        return rows, AugmentParams(top, left, mirrored.bool(), down, right, partner, share)


def step_batches(
    recipe: Recipe, images: int, seed: int, steps: Iterable[int], device: torch.device
) -> Iterator[StepBlock]:
    """Each of `steps`, from 0, as a function of recipe, number of images, seed and its number alone."""
    for step in steps:
        places, numbers = _draw(recipe, images, seed, step)
        places = torch.from_numpy(places)
        if device.type == "cuda":
            # pinned, so that neither the transfer waits for the GPU nor the GPU for it
            places = places.pin_memory().to(device, non_blocking=True)
            numbers = torch.tensor(numbers, dtype=torch.float32).pin_memory().to(device, non_blocking=True)
        yield StepBlock(places, numbers)


def _draw(recipe: Recipe, images: int, seed: int, step: int) -> tuple[np.ndarray, StepScalars]:
    draws = draw_augmentation(recipe, recipe.batch, step, seed)
    rows = rows_of_step(images, recipe.batch, step, seed)
    places = np.stack([rows, draws.top, draws.left, draws.mirrored, draws.down, draws.right, draws.partner])
    share = 1.0 if draws.share is None else draws.share
    return places, StepScalars(share, step / recipe.steps, learning_rate(recipe, step), decay_after(step, recipe.ema))


@lru_cache(maxsize=2)
def _order(images: int, seed: int, epoch: int) -> np.ndarray:
    return rng_for(seed, "order", epoch).permutation(images)


def rows_of_step(images: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Which images a step sees, int64 [batch]: its part of one permutation of all after the other.

    So every image is seen as often as any other, give or take one, and batches are full whatever the number of
    images.
    """
    first, end = step * batch, (step + 1) * batch
    epochs = range(first // images, (end - 1) // images + 1)
    parts = [_order(images, seed, epoch)[max(first - epoch * images, 0) : end - epoch * images] for epoch in epochs]
    return np.concatenate(parts)
