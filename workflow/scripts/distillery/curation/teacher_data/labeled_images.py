"""Images with labels, their balanced subsets, and the file of a teacher's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distillery.jobs import UserError, log
from distillery.storage.files import atomic_path


@dataclass(frozen=True)
class LabeledImages:
    """Images with labels: pixels uint8 [N, S, S, 3], and labels int64 [N], indices into the study's classes."""

    pixels: np.ndarray
    labels: np.ndarray


def no_images(side: int) -> LabeledImages:
    """An empty set of images with a side in pixels."""
    return LabeledImages(np.empty((0, side, side, 3), np.uint8), np.empty(0, np.int64))


def write_teacher_data(
    path: str | Path, train: LabeledImages, test: LabeledImages, classes: Sequence[str], required: bool = True
) -> None:
    """Write the teacher's data atomically as an uncompressed `.npz`.

    Its arrays are train_pixels and test_pixels uint8 [N, S, S, 3], train_labels and test_labels int64 [N], and classes
    str [C].

    Args:
        required: whether every class must have images.

    Raises:
        UserError: a class has no train or no test image.
    """
    for part, images in (("train", train), ("test", test)):
        counts = np.bincount(images.labels, minlength=len(classes))
        missing = [name for name, count in zip(classes, counts, strict=True) if not count]
        if required and missing:
            raise UserError(
                f"teacher.data: no {part} image of {', '.join(missing)}. Add some, raise teacher.data.{part}, or remove"
                " the class."
            )
        log.info("teacher's %s images: %d, %d to %d per class", part, len(images.labels), counts.min(), counts.max())
    with atomic_path(path, digest=True) as temporary:
        np.savez(
            temporary,
            train_pixels=train.pixels,
            train_labels=train.labels.astype(np.int64),
            test_pixels=test.pixels,
            test_labels=test.labels.astype(np.int64),
            classes=np.array(list(classes)),
        )


def balanced_subset(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The rows of a random subset, balanced over the classes, in ascending order.

    The numbers of images per class differ by at most one, unless a class runs out of images.

    Args:
        labels: int [N].
        count: number of rows; 0 or at least N for all.
        seed: of the random order. With the same seed, a smaller subset is part of a larger one.

    Returns:
        int64 [min(count, N)], ascending.
    """
    if not 0 < count < len(labels):
        return np.arange(len(labels))
    return np.sort(rows_in_turns(labels, seed)[:count])


def rows_in_turns(labels: np.ndarray, seed: int) -> np.ndarray:
    """All rows in a random order in which the classes take turns: int64 [N]."""
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), np.int64)  # of each image: number of images of its class that come before it
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    return order[np.argsort(turn[order], kind="stable")]


def limit_images(images: LabeledImages, count: int, seed: int) -> LabeledImages:
    """A random subset of at most `count` images (0: all), balanced over the classes; see `balanced_subset`."""
    rows = balanced_subset(images.labels, count, seed)
    return LabeledImages(images.pixels[rows], images.labels[rows])
