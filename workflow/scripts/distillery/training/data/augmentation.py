"""Image augmentation in batches on the device: random views at every step, and the augmented copies of a scenario."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distillery.jobs import UserError
from distillery.training.data.dataset import ImageDataset
from distillery.training.recipe import Recipe
from distillery.training.rng import rng_for

COPY_BATCH = 1024  # copies augmented at a time
PLACES = 1 << 16  # positions are drawn as integers below this and scaled later, when the image's size is known
RESIZED = 6  # numbers drawn for each resized crop
GRAY = 0.5  # fills the square of cutout, in [0, 1]; about the mean of photographs

# --- views: drawn anew at every step ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class AugmentParams:
    """Random augmentation parameters of one batch: NumPy arrays as drawn, or tensors on the device.

    Attributes:
        top, left: int64 [B], the crop's first row and column in the padded image, 0 to 2 · crop.
        mirrored: bool [B], whether the view is flipped horizontally.
        down, right: int64 [B], 0 to PLACES − 1, the center of cutout's square, in units of the image's side / PLACES.
        partner: int64 [B], the index in the batch of the image that each image is mixed with.
        mix_weight: λ of mixup, the weight of the image itself, 0 to 1: one for all or float32 [B]; None without mixup.
        resized: int64 [6, B], each 0 to PLACES − 1: area, first row and first column of a resized crop, brightness,
            contrast and saturation; None for other views.
    """

    top: np.ndarray | Tensor
    left: np.ndarray | Tensor
    mirrored: np.ndarray | Tensor
    down: np.ndarray | Tensor
    right: np.ndarray | Tensor
    partner: np.ndarray | Tensor
    mix_weight: float | Tensor | None
    resized: np.ndarray | Tensor | None = None


def draw_augmentation(recipe: Recipe, batch: int, step: int, seed: int) -> AugmentParams:
    """Draw the parameters of one step. They depend on the recipe, the batch's size, the seed and the step alone."""
    rng = rng_for(seed, "views", step)
    border = 0 if recipe.view == "resized_crop" else recipe.crop
    top, left = rng.integers(0, 2 * border + 1, size=(2, batch))
    mirrored = rng.random(batch) < (0.5 if recipe.flip else 0)
    partner = rng.permutation(batch)
    mix_weight = float(rng.beta(recipe.mixup, recipe.mixup)) if recipe.mixup else None
    down, right = rng.integers(0, PLACES, size=(2, batch)) if recipe.cutout else np.zeros((2, batch), int)
    resized = rng.integers(0, PLACES, size=(RESIZED, batch)) if recipe.view == "resized_crop" else None
    return AugmentParams(top, left, mirrored, down, right, partner, mix_weight, resized)


def reflect_pad(pixels: Tensor, border: int) -> Tensor:
    """Reflection padding as F.pad with mode `reflect`, but for uint8: [N, 3, S, S] → [N, 3, S + 2b, S + 2b].

    Raises:
        UserError: the border is at least as wide as the image.
    """
    side = pixels.shape[-1]
    if border >= side:
        raise UserError(f"recipe: crop is {border} pixels, but must be below the images' {side}")
    if not border:
        return pixels
    # concatenating strips, channels last, is four times as fast on a CPU as indexing rows and columns
    last = pixels.permute(0, 2, 3, 1)
    for axis in (2, 1):
        before, after = last.narrow(axis, 1, border), last.narrow(axis, side - 1 - border, border)
        last = torch.cat((before.flip(axis), last, after.flip(axis)), axis)
    return last.permute(0, 3, 1, 2)


def make_views(padded: Tensor, rows: Tensor, draws: AugmentParams, side: int, recipe: Recipe) -> Tensor:
    """Crop, flip, cut out and mix a batch of images.

    Args:
        padded: uint8 [N, 3, P, P] from `reflect_pad`, channels last.
        rows: int64 [B], the images' rows in `padded`, on the same device.
        draws: the batch's parameters from `draw_augmentation`, as arrays or as tensors on the device.
        side: S, the size of the views in pixels.
        recipe: its `cutout`, `area` and `jitter` are used.

    Returns:
        float32 [B, 3, S, S] in [0, 1], channels last.
    """
    device = padded.device
    top, left, mirrored = (torch.as_tensor(part, device=device) for part in (draws.top, draws.left, draws.mirrored))
    windows = padded.unfold(2, side, 1).unfold(3, side, 1)  # [N, 3, P−S+1, P−S+1, S, S], not copied
    views = padded[rows] if draws.resized is not None else windows[rows, :, top, left]
    views = torch.where(mirrored[:, None, None, None], views.flip(3), views)
    views = views.to(torch.float32, memory_format=torch.channels_last).div_(255)
    if draws.resized is not None:
        views = resized_crop(views, torch.as_tensor(draws.resized, device=device), recipe.area, recipe.jitter)
    return mixup(cut_out(views, draws, recipe.cutout) if recipe.cutout else views, draws)


def resized_crop(views: Tensor, drawn: Tensor, area: float, jitter: float) -> Tensor:
    """Enlarge a random square of each image to full size; change its brightness, contrast and saturation.

    This is the random resized crop of Szegedy et al. (2015), but without changes of the aspect ratio.

    Args:
        views: float32 [B, 3, S, S] in [0, 1].
        drawn: int64 [6, B], see `AugmentParams`.
        area: the smallest fraction of an image's area; fractions are drawn uniformly from it to 1.
        jitter: factors of brightness, contrast and saturation are drawn from 1 ± this.

    Returns:
        float32 [B, 3, S, S] in [0, 1], channels last.
    """
    numbers = drawn.to(torch.float32) / PLACES  # each 0 to 1
    width = (area + (1 - area) * numbers[0]).sqrt()  # of the part, relative to the image
    theta = torch.zeros(len(views), 2, 3, device=views.device)
    theta[:, 0, 0] = theta[:, 1, 1] = width
    theta[:, 0, 2] = (1 - width) * (2 * numbers[2] - 1)  # affine_grid's coordinates run from −1 to 1
    theta[:, 1, 2] = (1 - width) * (2 * numbers[1] - 1)
    grid = F.affine_grid(theta, list(views.shape), align_corners=False)
    views = F.grid_sample(views, grid, mode="bilinear", padding_mode="border", align_corners=False)
    brightness, contrast, saturation = ((1 + jitter * (2 * part - 1))[:, None, None, None] for part in numbers[3:])
    views = (views * brightness).clamp(0, 1)
    views = torch.lerp(_gray(views).mean(dim=(2, 3), keepdim=True), views, contrast).clamp(0, 1)
    views = torch.lerp(_gray(views).expand_as(views), views, saturation).clamp(0, 1)
    return views.contiguous(memory_format=torch.channels_last)


def _gray(images: Tensor) -> Tensor:
    red, green, blue = images.split(1, dim=1)
    # numbers instead of a constant tensor: a CUDA graph cannot record its copy to the GPU
    return 0.299 * red + 0.587 * green + 0.114 * blue


def cut_out(views: Tensor, draws: AugmentParams, side: int) -> Tensor:
    """Cutout (DeVries and Taylor 2017, section 3.2): fill a square of each view with gray, in place.

    The center is anywhere in the image, so that the square may extend beyond the border.

    Args:
        views: float32 [B, 3, S, S].
        side: of the square, in pixels.
    """
    size, device = views.shape[-1], views.device
    places = torch.arange(size, device=device)
    down, right = (
        # distance from the first row or column of the square
        places - (torch.as_tensor(part, device=device)[:, None] * size // PLACES - side // 2)
        for part in (draws.down, draws.right)
    )
    rows, columns = ((0 <= part) & (part < side) for part in (down, right))  # [B, S]
    return views.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], GRAY)


def mixup(values: Tensor, draws: AugmentParams) -> Tensor:
    """λ · values + (1 − λ) · partners, of images or probabilities [B, ...] (Zhang et al. 2018, section 2)."""
    if draws.mix_weight is None:
        return values
    partner, mix_weight = torch.as_tensor(draws.partner, device=values.device), draws.mix_weight
    if isinstance(mix_weight, Tensor):
        mix_weight = mix_weight.reshape(-1, *[1] * (values.dim() - 1))
    return torch.lerp(values[partner], values, mix_weight)


def mixed_targets(labels: Tensor, draws: AugmentParams, classes: int) -> Tensor:
    """Targets of the views: without mixup the labels int64 [B] themselves, else mixed probabilities float32 [B, C]."""
    return labels if draws.mix_weight is None else mixup(F.one_hot(labels, classes).float(), draws)


# --- augmented copies: made once for a scenario -----------------------------------------------------------------------


@dataclass(frozen=True)
class CopySettings:
    """How strongly augmented copies are changed. Ranges and defaults are those of the configuration.

    Attributes:
        jitter: factors of brightness, contrast and saturation are drawn from 1 ± this.
        hue: the largest change of hue, in turns, in either direction.
        degrees: the largest rotation, in either direction.
        fill: of the area that a rotation leaves empty: reflect (mirrored image), edge (nearest pixel) or gray.
    """

    jitter: float = 0.4
    hue: float = 0.1
    degrees: float = 30.0
    fill: str = "reflect"


USUAL = CopySettings()


def augment_copies(
    train: ImageDataset, augment: str, augment_seed: int, settings: CopySettings = USUAL
) -> ImageDataset:
    """Augment the images marked as augmented copies.

    The change depends on the image's source, its row, the seed and the settings alone, so that it is the same in every
    run.

    Args:
        train: pixels in a file of their own (`in_file`) are changed in place; others are copied first.
        augment: none, color or rotation.
        augment_seed: the scenario's seed for its copies.
        settings: how strongly.

    Raises:
        UserError: the plan has augmented copies, but `augment` is none.
    """
    here = np.flatnonzero(train.augmented)
    if not len(here):
        return train
    if augment not in ("color", "rotation"):
        raise UserError(
            f"the plan has {len(here)} augmented copies, but the scenario's augment is {augment}. Delete the plan and"
            " run again."
        )
    draws = np.stack(
        [
            rng_for(augment_seed, "copies", zlib.crc32(source.encode()), int(row)).uniform(-1, 1, size=5)
            for source, row in zip(train.sources[here], train.rows[here], strict=True)
        ]
    )
    numbers = torch.from_numpy(draws).float()  # [number of copies, 5], each −1 to 1
    pixels = train.pixels if train.in_file else train.pixels.clone(memory_format=torch.channels_last)
    for start in range(0, len(here), COPY_BATCH):
        batch = torch.from_numpy(here[start : start + COPY_BATCH])
        part, drawn = pixels[batch].float() / 255, numbers[start : start + COPY_BATCH]
        if augment == "color":
            factors = 1 + settings.jitter * drawn[:, :3]
            part = jitter_colors(part, factors[:, 0], factors[:, 1], factors[:, 2], settings.hue * drawn[:, 3])
        else:
            part = rotate(part, settings.degrees * drawn[:, 4], settings.fill)
        pixels[batch] = (part * 255).round().clamp(0, 255).to(torch.uint8)
    return replace(train, pixels=pixels)


# rows: luma Y and chroma I and Q of the NTSC standard
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def jitter_colors(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Change brightness, then contrast, saturation and hue of images [N, 3, S, S] in [0, 1].

    Args:
        brightness, contrast, saturation: factors [N]; 1 changes nothing.
        hue: turns [N] of the chroma plane of YIQ, which keeps the luma; 0 changes nothing.
    """

    def factor(value: Tensor) -> Tensor:
        return value[:, None, None, None]

    x = (images * factor(brightness)).clamp(0, 1)
    x = torch.lerp(_luma(x).mean(dim=(2, 3), keepdim=True), x, factor(contrast)).clamp(0, 1)
    x = torch.lerp(_luma(x).expand_as(x), x, factor(saturation)).clamp(0, 1)
    turn = 2 * torch.pi * hue
    rotation = torch.eye(3).repeat(len(x), 1, 1)
    rotation[:, 1, 1], rotation[:, 1, 2] = turn.cos(), -turn.sin()
    rotation[:, 2, 1], rotation[:, 2, 2] = turn.sin(), turn.cos()
    matrix = torch.linalg.inv(YIQ) @ rotation @ YIQ  # [N, 3, 3]
    return torch.einsum("nij,njhw->nihw", matrix, x).clamp(0, 1)


def _luma(images: Tensor) -> Tensor:
    return (images * YIQ[0][:, None, None]).sum(dim=1, keepdim=True)


def rotate(images: Tensor, degrees: Tensor, fill: str = "reflect") -> Tensor:
    """Rotate images [N, 3, S, S] in [0, 1] counter-clockwise about their center by degrees [N].

    Args:
        fill: see `CopySettings`.
    """
    turn = torch.deg2rad(degrees)
    matrix = torch.zeros(len(images), 2, 3)
    # maps a position in the result to its position in the image; y points down
    matrix[:, 0, 0], matrix[:, 0, 1] = turn.cos(), -turn.sin()
    matrix[:, 1, 0], matrix[:, 1, 1] = turn.sin(), turn.cos()
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    beyond = {"reflect": "reflection", "edge": "border", "gray": "zeros"}[fill]
    level = GRAY if fill == "gray" else 0.0
    turned = F.grid_sample(images - level, grid, mode="bilinear", padding_mode=beyond, align_corners=False)
    return turned + level
