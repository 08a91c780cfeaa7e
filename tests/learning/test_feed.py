"""What each step is told: the draws of its seed and number, wherever a training starts."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from tiny_study import RECIPE

from distillery.learning.augmentation import draw_views
from distillery.learning.averaging import decay_after
from distillery.learning.feed import CHUNK, feed, rows_of_step
from distillery.learning.recipe import learning_rate

CPU = torch.device("cpu")
LONG = replace(RECIPE, steps=2 * CHUNK + 7, cutout=3, mixup=0.4, ema=0.9)


def equal(a, b):
    return torch.equal(a.places, b.places) and a.numbers == b.numbers


def test_there_is_one_for_each_step_and_each_is_its_own_draws():
    steps = list(feed(LONG, 50, 3, 0, CPU))
    assert len(steps) == LONG.steps
    for number in (0, CHUNK - 1, CHUNK, LONG.steps - 1):
        rows, draws, time, lr, decay = steps[number].unpacked(mixed=True)
        drawn = draw_views(LONG, LONG.batch, number, 3)
        np.testing.assert_array_equal(rows, rows_of_step(50, LONG.batch, number, 3))
        for name in ("top", "left", "mirrored", "down", "right", "partner"):
            np.testing.assert_array_equal(getattr(draws, name), getattr(drawn, name))
        assert draws.mirrored.dtype == torch.bool
        assert (draws.share, time, lr) == (drawn.share, number / LONG.steps, learning_rate(LONG, number))
        assert decay == decay_after(number, 0.9)


@pytest.mark.parametrize("first", [1, CHUNK - 1, CHUNK, LONG.steps - 1, LONG.steps])
def test_a_training_that_goes_on_is_told_what_one_without_a_break_is(first):
    whole = list(islice(feed(LONG, 50, 3, 0, CPU), first, None))
    rest = list(feed(LONG, 50, 3, first, CPU))
    assert len(rest) == LONG.steps - first and all(map(equal, whole, rest))


def test_without_mixup_nothing_is_shared():
    step = next(feed(replace(LONG, mixup=0.0), 50, 3, 0, CPU))
    assert step.unpacked(mixed=False).draws.share is None
