"""Views and augmented copies equal those of slow reference code, and some settings change nothing."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.defaults import defaults_of, recipe_defaults
from distillery.config.models.recipes import CopiesConfig
from distillery.jobs import UserError
from distillery.training.data.augmentation import (
    GRAY,
    PLACES,
    AugmentParams,
    CopySettings,
    augment_copies,
    cut_out,
    draw_augmentation,
    jitter_colors,
    make_views,
    mixed_targets,
    reflect_pad,
    resized_crop,
    rotate,
)
from distillery.training.recipe import Recipe

CHANGES = {"network": "resnet8", "steps": 10, "batch": 8, "lr": 0.1, "crop": 3, "mixup": 0.4}
RECIPE = Recipe.of(recipe_defaults() | CHANGES)


RESIZED = replace(RECIPE, view="resized_crop", mixup=0.0, flip=False)


def images(count=12, side=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)
    return pixels.permute(0, 3, 1, 2)


@pytest.mark.parametrize("border", [0, 1, 4, 9])
def test_padding_equals_torchs_reflection(border):
    pixels = images()
    expected = F.pad(pixels.float(), [border] * 4, mode="reflect") if border else pixels.float()
    assert torch.equal(reflect_pad(pixels, border).float(), expected)


def test_a_border_as_wide_as_the_image_gives_a_one_line_error():
    with pytest.raises(UserError, match="crop is 10 pixels, but must be below the images' 10"):
        reflect_pad(images(), 10)


@given(st.integers(0, 2**32), st.integers(0, 9999), st.integers(0, 4), st.booleans(), st.sampled_from([0.0, 0.2, 1.0]))
def test_views_equal_those_of_a_plain_loop(seed, step, crop, flip, mixup):
    recipe = replace(RECIPE, crop=crop, flip=flip, mixup=mixup)
    draws = draw_augmentation(recipe, 8, step, seed)
    padded, rows = reflect_pad(images(), crop), torch.tensor([0, 3, 3, 11, 5, 1, 2, 7])
    expected = []
    for row, top, left, mirrored in zip(rows, draws.top, draws.left, draws.mirrored, strict=True):
        view = padded[row].numpy()[:, top : top + 10, left : left + 10]
        expected.append((view[:, :, ::-1] if mirrored else view) / np.float32(255))
    expected = np.stack(expected)
    if mixup:
        expected = draws.mix_weight * expected + (1 - draws.mix_weight) * expected[draws.partner]
    views = make_views(padded, rows, draws, 10, RECIPE)
    assert views.is_contiguous(memory_format=torch.channels_last) and views.dtype == torch.float32
    np.testing.assert_allclose(views.numpy(), expected, atol=1e-6)


def test_draws_depend_on_seed_and_step_and_cover_their_whole_range():
    def same(a, b):
        return np.array_equal(a.top, b.top) and np.array_equal(a.mirrored, b.mirrored) and a.mix_weight == b.mix_weight

    first = draw_augmentation(RECIPE, 4000, 3, 0)
    assert same(first, draw_augmentation(RECIPE, 4000, 3, 0))
    assert not same(first, draw_augmentation(RECIPE, 4000, 4, 0)) and not same(
        first, draw_augmentation(RECIPE, 4000, 3, 1)
    )
    assert set(first.top) == set(first.left) == set(range(7))
    assert first.mirrored.mean() == pytest.approx(0.5, abs=0.04)
    assert 0 < first.mix_weight < 1
    off = draw_augmentation(replace(RECIPE, crop=0, flip=False, mixup=0), 50, 3, 0)
    assert not off.top.any() and not off.left.any() and not off.mirrored.any() and off.mix_weight is None


@given(st.integers(0, 2**32), st.integers(0, 9999), st.integers(1, 25), st.sampled_from([0.0, 1.0]))
def test_cutout_fills_a_square_around_its_center_before_mixup(seed, step, side, mixup):
    recipe = replace(RECIPE, crop=0, flip=False, mixup=mixup, cutout=side)
    draws = draw_augmentation(recipe, 12, step, seed)
    expected = images().numpy() / np.float32(255)
    for image, down, right in zip(expected, draws.down, draws.right, strict=True):
        top, left = int(down * 10 // PLACES) - side // 2, int(right * 10 // PLACES) - side // 2
        image[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = GRAY
    if mixup:
        expected = draws.mix_weight * expected + (1 - draws.mix_weight) * expected[draws.partner]
    views = make_views(images(), torch.arange(12), draws, 10, replace(RECIPE, cutout=side))
    assert views.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(views.numpy(), expected, atol=1e-6)


def test_cutout_may_be_anywhere_and_does_not_change_the_other_draws():
    draws = draw_augmentation(replace(RECIPE, cutout=1), 4000, 3, 0)
    gray = (cut_out(torch.zeros(4000, 3, 10, 10), draws, 1) == GRAY).all(dim=1)
    assert (gray.sum(dim=(1, 2)) == 1).all() and (gray.sum(dim=0) > 0).all()
    plain = draw_augmentation(RECIPE, 4000, 3, 0)
    assert not plain.down.any() and not plain.right.any()
    # without it, the other draws are the same
    assert all(np.array_equal(getattr(plain, name), getattr(draws, name)) for name in ("top", "mirrored", "partner"))
    assert plain.mix_weight == draws.mix_weight


def test_mixed_targets_are_probabilities_with_the_weights_of_the_images():
    draws = AugmentParams(None, None, None, None, None, np.array([1, 2, 0]), 0.75)
    mixed = mixed_targets(torch.tensor([0, 1, 1]), draws, 3)
    torch.testing.assert_close(mixed, torch.tensor([[0.75, 0.25, 0], [0, 1, 0], [0.25, 0.75, 0]]))
    labels = torch.tensor([2, 1])
    assert mixed_targets(labels, replace(draws, mix_weight=None), 3) is labels


# --- copies -----------------------------------------------------------------------------------------------------------

ONE, NONE = torch.ones(12), torch.zeros(12)


def test_factors_of_1_and_turns_of_0_change_nothing():
    x = images() / 255
    torch.testing.assert_close(jitter_colors(x, ONE, ONE, ONE, NONE), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(rotate(x, NONE), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(jitter_colors(x, ONE, ONE, ONE, ONE), x, atol=1e-4, rtol=0)


def test_the_limits_of_each_factor():
    x = images() / 255
    assert not jitter_colors(x, NONE, ONE, ONE, NONE).any()
    flat = jitter_colors(x, ONE, NONE, ONE, NONE)
    assert flat.std(dim=(2, 3)).max() < 1e-5
    gray = jitter_colors(x, ONE, ONE, NONE, NONE)
    assert (gray.amax(dim=1) - gray.amin(dim=1)).max() < 2e-3
    torch.testing.assert_close(jitter_colors(x, ONE / 2, ONE, ONE, NONE), x / 2, atol=1e-5, rtol=0)


def test_a_hue_change_rotates_the_hue_and_keeps_luma():
    x = (images() / 255 - 0.5) * 0.1 + 0.5  # far from 0 and 1, where clamping would change it
    turned = jitter_colors(x, ONE, ONE, ONE, 0.1 * ONE)
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close((turned * luma).sum(1), (x * luma).sum(1), atol=1e-3, rtol=0)
    red = torch.tensor([0.6, 0.5, 0.5])[None, :, None, None].expand(1, 3, 4, 4)
    hues = [colorsys.rgb_to_hsv(*jitter_colors(red, ONE[:1], ONE[:1], ONE[:1], t * ONE[:1])[0, :, 0, 0].tolist())[0]
            for t in (0.0, 0.1, -0.1)]  # fmt: skip
    assert len({round(hue, 2) for hue in hues}) == 3


def test_a_rotation_by_90_degrees_is_rot90_and_rotating_back_restores_the_image():
    x = images(side=9) / 255
    torch.testing.assert_close(rotate(x, 90 * ONE), torch.rot90(x, 1, dims=(2, 3)), atol=1e-4, rtol=0)
    smooth = F.avg_pool2d(F.pad(x, [4] * 4, mode="reflect"), 9, stride=1)
    back = rotate(rotate(smooth, 20 * ONE), -20 * ONE)
    assert (back - smooth)[:, :, 2:-2, 2:-2].abs().max() < 0.05


@pytest.mark.parametrize("augment", ["color", "rotation"])
def test_only_copies_are_augmented_and_equally_in_every_plan(study, augment):
    def load(name, **settings):
        return study.dataset(study.plan(name, **settings))

    plain = load("copies", train=4, copies=4)
    augmented = augment_copies(plain, augment, 0)
    copies = torch.from_numpy(plain.augmented)
    assert torch.equal(augmented.pixels[~copies], plain.pixels[~copies])
    changed = (augmented.pixels[copies].int() - plain.pixels[copies].int()).abs().float().mean(dim=(1, 2, 3))
    assert (changed > 1).all()
    fewer = augment_copies(load("fewer", train=2, copies=2), augment, 0)
    pixels = {
        row: p for row, p, copy in zip(augmented.rows, augmented.pixels, augmented.augmented, strict=True) if copy
    }
    for row, image, copy in zip(fewer.rows, fewer.pixels, fewer.augmented, strict=True):
        # the batch size may change the last bit of a float, and so a pixel by one level of 255
        assert not copy or (image.int() - pixels[row].int()).abs().max() <= 1
    assert not torch.equal(augmented.pixels, augment_copies(plain, augment, 1).pixels)


def test_strengths_and_fill_of_copies(study):
    plain = study.dataset(study.plan("copies", train=4, copies=4))
    assert CopySettings() == CopySettings(**defaults_of(CopiesConfig))
    unchanged = augment_copies(plain, "color", 0, CopySettings(jitter=0, hue=0))
    assert (unchanged.pixels.int() - plain.pixels.int()).abs().max() <= 1
    assert torch.equal(augment_copies(plain, "rotation", 0, CopySettings(degrees=0)).pixels, plain.pixels)
    usual = augment_copies(plain, "color", 0).pixels
    weaker = augment_copies(plain, "color", 0, CopySettings(jitter=0.1)).pixels
    changes = [(pixels.int() - plain.pixels.int()).abs().float().mean() for pixels in (usual, weaker)]
    assert changes[0] > changes[1] > 0


def test_pixels_beyond_the_border_of_a_rotated_image_are_filled_as_configured():
    white = torch.ones(1, 3, 16, 16)
    white[:, :, 4:12, 4:12] = 0
    turned = {fill: rotate(white, torch.tensor([45.0]), fill) for fill in ("reflect", "edge", "gray")}
    assert turned["gray"][0, 0, 0, 0] == pytest.approx(0.5) and turned["edge"][0, 0, 0, 0] == 1
    assert torch.equal(turned["reflect"], rotate(white, torch.tensor([45.0])))
    middle = {name: image[0, :, 7:9, 7:9] for name, image in turned.items()}
    assert torch.allclose(middle["gray"], middle["edge"], atol=1e-6) and middle["edge"].max() < 0.01


def test_copies_without_an_augmentation_give_a_one_line_error(study):
    plain = study.dataset(study.plan("copies", train=4, copies=4))
    with pytest.raises(UserError, match="12 augmented copies, but the scenario's augment is none"):
        augment_copies(plain, "none", 0)


# --- resized crops ----------------------------------------------------------------------------------------------------


def test_a_resized_crop_of_the_whole_image_without_jitter_is_the_image():
    recipe = replace(RESIZED, area=1.0, jitter=0.0)
    views = make_views(images(), torch.arange(12), draw_augmentation(recipe, 12, 3, 0), 10, recipe)
    torch.testing.assert_close(views, images().float() / 255, atol=1e-5, rtol=0)
    assert views.is_contiguous(memory_format=torch.channels_last)


def test_a_resized_crop_is_an_enlarged_part_of_the_image():
    x = images().float() / 255
    drawn = torch.zeros(6, 12, dtype=torch.int64)  # the smallest part, at the top left
    drawn[3:] = PLACES // 2  # no change of color
    expected = F.interpolate(x[:, :, :5, :5], (10, 10), mode="bilinear")
    found = resized_crop(x, drawn, 0.25, 0.4)
    torch.testing.assert_close(found[:, :, :8, :8], expected[:, :, :8, :8], atol=1e-5, rtol=0)
    drawn[1] = PLACES - 1  # the lowest row
    expected = F.interpolate(x[:, :, 5:, :5], (10, 10), mode="bilinear")
    torch.testing.assert_close(
        resized_crop(x, drawn, 0.25, 0.4)[:, :, 2:, :8], expected[:, :, 2:, :8], atol=1e-3, rtol=0
    )


@given(st.integers(0, 2**32), st.integers(0, 9999))
def test_jitter_of_resized_crops_equals_that_of_copies(seed, step):
    recipe = replace(RESIZED, area=1.0, jitter=0.4)
    draws = draw_augmentation(recipe, 12, step, seed)
    factors = 1 + 0.4 * (2 * torch.from_numpy(draws.resized[3:]) / PLACES - 1).float()
    expected = jitter_colors(images().float() / 255, *factors, torch.zeros(12))
    views = make_views(images(), torch.arange(12), draws, 10, recipe)
    torch.testing.assert_close(views, expected, atol=1e-4, rtol=0)


def test_resized_crops_leave_all_other_draws_as_they_are():
    plain, resized = (
        draw_augmentation(replace(RECIPE, view=view, crop=0), 8, 5, 1) for view in ("auto", "resized_crop")
    )
    assert plain.resized is None and resized.resized.shape == (6, 8)
    for name in ("top", "left", "mirrored", "partner", "mix_weight"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(resized, name))
