"""What each step of a training is told: which pictures, the draws of their views, and a few numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distillery.learning.augmentation import Draws, draw_views
from distillery.learning.averaging import decay_after
from distillery.learning.recipe import Recipe, learning_rate
from distillery.learning.seeds import stream

CHUNK = 64  # steps whose draws go to a GPU in one transfer, while it works on those before


class Step(NamedTuple):
    """One step's draws, packed so that two small copies take them to where a recorded step reads them.

    Attributes:
        places: int64 [7, B]: rows of the pictures, top, left, mirrored, down, right, partner of `Draws`.
        numbers: share, time, lr and decay: floats, or float32 [4] of the device.
    """

    places: Tensor
    numbers: tuple[float, float, float, float] | Tensor

    def unpacked(self, mixed: bool) -> Told:
        """By name; `mixed` says whether the recipe mixes pictures."""
        rows, top, left, mirrored, down, right, partner = self.places
        share, time, lr, decay = self.numbers
        draws = Draws(top, left, mirrored.bool(), down, right, partner, share if mixed else None)
        return Told(rows, draws, time, lr, decay)


class Told(NamedTuple):
    """A step's draws by name.

    Attributes:
        rows: int64 [B].
        time: share of the steps done, 0 to 1.
        lr: learning rate.
        decay: of the weights' moving average.
    """

    rows: Tensor
    draws: Draws
    time: float | Tensor
    lr: float | Tensor
    decay: float | Tensor


def feed(recipe: Recipe, pictures: int, seed: int, first: int, device: torch.device) -> Iterator[Step]:
    """The steps from `first` on, each a function of recipe, number of pictures, seed and its number alone."""
    for start in range(first, recipe.steps, CHUNK):
        drawn = [_draw(recipe, pictures, seed, step) for step in range(start, min(start + CHUNK, recipe.steps))]
        places, numbers = torch.from_numpy(np.stack([place for place, _ in drawn])), [number for _, number in drawn]
        if device.type == "cuda":
            # pinned, so that neither the transfer waits for the GPU nor the GPU for it
            places = places.pin_memory().to(device, non_blocking=True)
            numbers = torch.tensor(numbers, dtype=torch.float32).pin_memory().to(device, non_blocking=True)
        yield from map(Step, places, numbers)


def _draw(recipe: Recipe, pictures: int, seed: int, step: int) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    draws = draw_views(recipe, recipe.batch, step, seed)
    rows = rows_of_step(pictures, recipe.batch, step, seed)
    places = np.stack([rows, draws.top, draws.left, draws.mirrored, draws.down, draws.right, draws.partner])
    share = 1.0 if draws.share is None else draws.share
    return places, (share, step / recipe.steps, learning_rate(recipe, step), decay_after(step, recipe.ema))


@lru_cache(maxsize=2)
def _order(pictures: int, seed: int, epoch: int) -> np.ndarray:
    return stream(seed, "order", epoch).permutation(pictures)


def rows_of_step(pictures: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Which pictures a step sees, int64 [batch]: its part of one permutation of all after the other.

    So every picture is seen as often as any other, give or take one, and batches are full whatever the number of
    pictures.
    """
    first, end = step * batch, (step + 1) * batch
    epochs = range(first // pictures, (end - 1) // pictures + 1)
    parts = [
        _order(pictures, seed, epoch)[max(first - epoch * pictures, 0) : end - epoch * pictures] for epoch in epochs
    ]
    return np.concatenate(parts)
