"""What each step is told: the draws of its seed and number, wherever a training starts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_study import RECIPE

from distillery.training.augmentation import draw_augmentation, make_views, mixed_targets, reflect_pad
from distillery.training.batches import StepBlock, rows_of_step, step_batches
from distillery.training.ema import decay_after
from distillery.training.recipe import learning_rate

CPU = torch.device("cpu")
LONG = replace(RECIPE, steps=137, cutout=3, mixup=0.4, ema=0.9)


def singly(recipe, first=0):
    return step_batches(recipe, 50, 3, range(first, recipe.steps), CPU)


def equal(a, b):
    return torch.equal(a.places, b.places) and a.numbers == b.numbers


def test_there_is_one_for_each_step_and_each_is_its_own_draws():
    blocks = list(singly(LONG))
    assert len(blocks) == LONG.steps
    for number in (0, 63, 64, LONG.steps - 1):
        step, (rows, draws) = blocks[number].scalars(), blocks[number].views(mixed=True)
        drawn = draw_augmentation(LONG, LONG.batch, number, 3)
        np.testing.assert_array_equal(rows, rows_of_step(50, LONG.batch, number, 3))
        for name in ("top", "left", "mirrored", "down", "right", "partner"):
            np.testing.assert_array_equal(getattr(draws, name), getattr(drawn, name))
        assert draws.mirrored.dtype == torch.bool and draws.share == step.share == drawn.share
        assert (step.time, step.lr) == (number / LONG.steps, learning_rate(LONG, number))
        assert step.decay == decay_after(number, 0.9)


@pytest.mark.parametrize("first", [1, 63, 64, LONG.steps - 1, LONG.steps])
def test_a_training_that_goes_on_is_told_what_one_without_a_break_is(first):
    whole, rest = list(singly(LONG))[first:], list(singly(LONG, first))
    assert len(rest) == LONG.steps - first and all(map(equal, whole, rest))


def test_without_mixup_nothing_is_shared():
    _, draws = next(singly(replace(LONG, mixup=0.0))).views(mixed=False)
    assert draws.share is None


def views_of(block, recipe):
    """Views and targets, as training makes them of images of noise."""
    chance = np.random.default_rng(0)
    padded = reflect_pad(torch.from_numpy(chance.integers(0, 256, (50, 3, 16, 16), np.uint8)), recipe.crop)
    labels = torch.from_numpy(chance.integers(0, 5, 50))
    rows, draws = block.views(mixed=recipe.mixup > 0)
    return make_views(padded, rows, draws, 16, recipe.cutout), mixed_targets(labels[rows], draws, 5)


@pytest.mark.parametrize("mixup", [0.4, 0.0])
def test_views_with_numbers_on_a_device_are_those_of_plain_numbers(mixup):
    recipe = replace(LONG, mixup=mixup)
    block = list(singly(recipe))[20]
    on_device = StepBlock(block.places, torch.tensor(block.numbers, dtype=torch.float32))  # as a GPU has them
    for ours, plain in zip(views_of(on_device, recipe), views_of(block, recipe), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.stack(list(on_device.scalars())), torch.tensor(block.numbers))
