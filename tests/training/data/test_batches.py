"""The inputs of a step depend only on seed and step, also after a resume."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_study import RECIPE

from distillery.training.data.augmentation import draw_augmentation, make_views, mixed_targets, reflect_pad
from distillery.training.data.batches import StepBlock, rows_of_step, step_batches
from distillery.training.ema import decay_after
from distillery.training.recipe import learning_rate

CPU = torch.device("cpu")
LONG = replace(RECIPE, steps=137, cutout=3, mixup=0.4, ema=0.9)


def blocks_of(recipe, first=0):
    return step_batches(recipe, 50, 3, range(first, recipe.steps), CPU)


def equal(a, b):
    return torch.equal(a.integers, b.integers) and a.numbers == b.numbers


def test_there_is_one_block_for_each_step_with_the_draws_of_that_step():
    blocks = list(blocks_of(LONG))
    assert len(blocks) == LONG.steps
    for number in (0, 63, 64, LONG.steps - 1):
        step, (rows, draws) = blocks[number].scalars(), blocks[number].views(mixed=True)
        drawn = draw_augmentation(LONG, LONG.batch, number, 3)
        np.testing.assert_array_equal(rows, rows_of_step(50, LONG.batch, number, 3))
        for name in ("top", "left", "mirrored", "down", "right", "partner"):
            np.testing.assert_array_equal(getattr(draws, name), getattr(drawn, name))
        assert draws.mirrored.dtype == torch.bool and draws.mix_weight == step.mix_weight == drawn.mix_weight
        assert (step.time, step.lr) == (number / LONG.steps, learning_rate(LONG, number))
        assert step.decay == decay_after(number, 0.9)


@pytest.mark.parametrize("first", [1, 63, 64, LONG.steps - 1, LONG.steps])
def test_a_resumed_training_gets_the_same_inputs_as_an_unbroken_one(first):
    whole, rest = list(blocks_of(LONG))[first:], list(blocks_of(LONG, first))
    assert len(rest) == LONG.steps - first and all(map(equal, whole, rest))


def test_without_mixup_there_is_no_mixing_weight():
    _, draws = next(blocks_of(replace(LONG, mixup=0.0))).views(mixed=False)
    assert draws.mix_weight is None


def views_of(block, recipe):
    """Views and targets of noise images, as in the training loop."""
    rng = np.random.default_rng(0)
    padded = reflect_pad(torch.from_numpy(rng.integers(0, 256, (50, 3, 16, 16), np.uint8)), recipe.crop)
    labels = torch.from_numpy(rng.integers(0, 5, 50))
    rows, draws = block.views(mixed=recipe.mixup > 0)
    return make_views(padded, rows, draws, 16, recipe), mixed_targets(labels[rows], draws, 5)


@pytest.mark.parametrize("mixup", [0.4, 0.0])
def test_numbers_as_a_tensor_give_the_same_views_as_plain_numbers(mixup):
    recipe = replace(LONG, mixup=mixup)
    block = list(blocks_of(recipe))[20]
    on_device = StepBlock(block.integers, torch.tensor(block.numbers, dtype=torch.float32))  # as on a GPU
    for ours, plain in zip(views_of(on_device, recipe), views_of(block, recipe), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.stack(list(on_device.scalars())), torch.tensor(block.numbers))
