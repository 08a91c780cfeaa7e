"""Per-step inputs of the training loop: rows of the images, augmentation parameters, learning rate and EMA decay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distillery.training.data.augmentation import AugmentParams, draw_augmentation
from distillery.training.ema import decay_after
from distillery.training.recipe import Recipe, learning_rate
from distillery.training.rng import rng_for


class StepScalars(NamedTuple):
    """Numbers of one step.

    Attributes:
        mix_weight: λ of mixup, the weight of the image itself, 0 to 1.
        time: fraction of the steps done, 0 to 1.
        lr: learning rate.
        decay: of the EMA of the weights.
    """

    mix_weight: float | Tensor
    time: float | Tensor
    lr: float | Tensor
    decay: float | Tensor


class StepBlock(NamedTuple):
    """Inputs of one step, packed so that two small copies update the memory that a CUDA graph reads.

    Attributes:
        integers: int64 [7, B]: rows of the images; top, left, mirrored, down, right, partner of `AugmentParams`. Then
            `resized` [6, B], if views are resized crops.
        numbers: `StepScalars` of floats on the CPU; their values as float32 [4] on a GPU.
    """

    integers: Tensor
    numbers: StepScalars | Tensor

    def scalars(self) -> StepScalars:
        """The step's numbers by name."""
        return StepScalars(*self.numbers)

    def views(self, mixed: bool) -> tuple[Tensor, AugmentParams]:
        """Rows int64 [B] and augmentation parameters of the step's views. `mixed`: whether the recipe uses mixup."""
        rows, top, left, mirrored, down, right, partner = self.integers[:7]
        mix_weight = self.scalars().mix_weight if mixed else None
        resized = self.integers[7:] if len(self.integers) > 7 else None
        return rows, AugmentParams(top, left, mirrored.bool(), down, right, partner, mix_weight, resized)


def step_batches(
    recipe: Recipe, images: int, seed: int, steps: Iterable[int], device: torch.device
) -> Iterator[StepBlock]:
    """The inputs of each of `steps`, counted from 0.

    They depend on the recipe, the number of images, the seed and the step alone, not on the steps before.
    """
    for step in steps:
        integers, numbers = _draw(recipe, images, seed, step)
        if device.type != "cuda":
            yield StepBlock(torch.from_numpy(integers), numbers)
        else:
            # pinned memory: the copy runs while the GPU computes
            yield StepBlock(
                torch.from_numpy(integers).pin_memory().to(device, non_blocking=True),
                torch.tensor(numbers, dtype=torch.float32).pin_memory().to(device, non_blocking=True),
            )


def _draw(recipe: Recipe, images: int, seed: int, step: int) -> tuple[np.ndarray, StepScalars]:
    draws = draw_augmentation(recipe, recipe.batch, step, seed)
    rows = rows_of_step(images, recipe.batch, step, seed)
    drawn = [rows, draws.top, draws.left, draws.mirrored, draws.down, draws.right, draws.partner]
    integers = np.stack([*drawn, *(draws.resized if draws.resized is not None else ())])
    mix_weight = 1.0 if draws.mix_weight is None else draws.mix_weight
    return integers, StepScalars(
        mix_weight, step / recipe.steps, learning_rate(recipe, step), decay_after(step, recipe.ema)
    )


@lru_cache(maxsize=2)
def _order(images: int, seed: int, epoch: int) -> np.ndarray:
    return rng_for(seed, "order", epoch).permutation(images)


def rows_of_step(images: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Rows of the images of one step, int64 [batch]: a slice of an endless sequence of permutations of all images.

    So the images are used equally often, to within one, and every batch is full for any number of images.
    """
    first, end = step * batch, (step + 1) * batch
    epochs = range(first // images, (end - 1) // images + 1)
    parts = [_order(images, seed, epoch)[max(first - epoch * images, 0) : end - epoch * images] for epoch in epochs]
    return np.concatenate(parts)
