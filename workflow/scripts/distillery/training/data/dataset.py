"""The images of a training in memory: those of a scenario's plan, or the teacher's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distillery.jobs import UserError
from distillery.splits.planned_images import PlannedImages, gather_images
from distillery.storage.arrays import read_arrays

COUNTED_AT_A_TIME = 512  # images
MIN_STD = 1e-3  # of a channel in [0, 1], so that images of a single color are not divided by 0


@dataclass(frozen=True)
class ImageDataset:
    """Images with their labels and origins.

    Attributes:
        pixels: uint8 [N, 3, S, S], channels last in memory.
        labels: int64 [N], indices into the study's classes.
        sources: str [N].
        rows: int32 [N], rows in the source's curated pixels.
        augmented: bool [N], whether the image is an augmented copy.
        in_file: whether the pixels are a memory map of a file of their own.
    """

    pixels: Tensor
    labels: Tensor
    sources: np.ndarray
    rows: np.ndarray
    augmented: np.ndarray
    in_file: bool = False

    @classmethod
    def of(cls, images: PlannedImages) -> ImageDataset:
        """The same images for training; the pixels share their memory."""
        return cls(
            as_channels_last(images.pixels),
            torch.from_numpy(images.labels),
            images.sources,
            images.rows,
            images.augmented,
            isinstance(images.pixels, np.memmap),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, where: np.ndarray) -> ImageDataset:
        """A copy of some images: `where` is their indices, int [M], or a mask, bool [N]."""
        places = np.arange(len(self))[where]
        return ImageDataset(
            as_channels_last(self.pixels.permute(0, 2, 3, 1).numpy()[places]),
            self.labels[torch.from_numpy(places)],
            self.sources[places],
            self.rows[places],
            self.augmented[places],
        )


def as_channels_last(pixels: np.ndarray) -> Tensor:
    """uint8 [N, S, S, 3] → torch uint8 [N, 3, S, S], a view of the same memory if that is contiguous."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)


def whole_source(name: str, pixels: np.ndarray, labels: np.ndarray) -> ImageDataset:
    """Every image of one source: pixels uint8 [N, S, S, 3], labels [N]."""
    return gather({name: pixels}, np.full(len(labels), name, object), np.arange(len(labels)), labels)


def gather(arrays: Mapping[str, np.ndarray], sources: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> ImageDataset:
    """Copy the given rows of each source's pixels into one dataset; see `gather_images`."""
    return ImageDataset.of(gather_images(arrays, sources, rows, labels))


def load_teacher_data(path: str | Path, classes: Sequence[str]) -> tuple[ImageDataset, ImageDataset]:
    """The teacher's train and test images (sources `own_train` and `own_test`).

    Raises:
        UserError: the file is damaged or has other classes.
    """
    names = ("train_pixels", "train_labels", "test_pixels", "test_labels")
    arrays = read_arrays(path, ("classes", *names), "teacher's data")
    found = [str(name) for name in arrays["classes"]]
    parts = [(arrays[f"{part}_pixels"], arrays[f"{part}_labels"]) for part in ("train", "test")]
    if found != list(classes):
        raise UserError(
            f"teacher's data {path} has classes {', '.join(found)}, not {', '.join(classes)}. Delete it and run again."
        )
    train, test = (
        whole_source(name, pixels, labels)
        for name, (pixels, labels) in zip(("own_train", "own_test"), parts, strict=True)
    )
    return train, test


def channel_statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 [3] each, of the channels of uint8 [N, 3, S, S] scaled to [0, 1]."""
    # from counts of each value: exact, and without a float copy of the images
    counts = torch.zeros(3, 256, dtype=torch.float64)
    for part in pixels.split(COUNTED_AT_A_TIME):  # counting takes 8 bytes for each value
        counts += torch.stack([torch.bincount(part[:, c].reshape(-1), minlength=256) for c in range(3)])
    fractions = counts / counts.sum(dim=1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = (fractions * values).sum(dim=1)
    variance = (fractions * (values - mean[:, None]) ** 2).sum(dim=1)
    return mean.float(), variance.sqrt().clamp_min(MIN_STD).float()
