"""A teacher's images from CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from distillery.cifar10 import CIFAR10
from distillery.curation.decoding import to_square
from distillery.curation.teacher_data.labeled_images import LabeledImages, limit_images
from distillery.jobs import UserError, one_line


def load_cifar10(
    path: str | Path, classes: Sequence[str], side: int, counts: tuple[int, int], seed: int
) -> tuple[LabeledImages, LabeledImages]:
    """CIFAR-10's train and test images of the given classes. Downloads CIFAR-10 into `path` if it is missing.

    Args:
        path: the folder that contains `cifar-10-batches-py`.
        classes: names of classes of CIFAR-10; the returned labels are indices into these.
        side: pixels; if it is not 32, the images are resized.
        counts: largest number of train and of test images; 0 for all.
        seed: of the random subsets.

    Raises:
        UserError: CIFAR-10 lacks a class, or the download failed.
    """
    if unknown := [name for name in classes if name not in CIFAR10]:
        raise UserError(
            f"teacher.data: CIFAR-10 has no class {', '.join(unknown)}, only {', '.join(CIFAR10)}."
            " Use kind: folder for other classes."
        )
    train, test = (
        _resized(limit_images(_only(_cifar10_part(path, is_train), classes), count, seed), side)
        for is_train, count in zip((True, False), counts, strict=True)
    )
    return train, test


def _cifar10_part(path: str | Path, train: bool) -> LabeledImages:
    from torchvision.datasets import CIFAR10 as Batches

    Path(path).mkdir(parents=True, exist_ok=True)
    try:
        # downloads only absent or damaged files; as they are pickles, torchvision checks their MD5 before reading them
        data = Batches(str(path), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"teacher.data: CIFAR-10 could not be downloaded into {path} ({one_line(error)}). Check the network, or"
            " put its folder cifar-10-batches-py there."
        ) from error
    return LabeledImages(np.asarray(data.data, np.uint8), np.asarray(data.targets, np.int64))


def _only(images: LabeledImages, classes: Sequence[str]) -> LabeledImages:
    """The images of the given classes. Their labels change from CIFAR-10's indices to indices into these classes."""
    new_label = np.full(len(CIFAR10), -1, np.int64)
    for label, name in enumerate(classes):
        new_label[CIFAR10.index(name)] = label
    labels = new_label[images.labels]
    return LabeledImages(images.pixels[labels >= 0], labels[labels >= 0])


def _resized(images: LabeledImages, side: int) -> LabeledImages:
    if images.pixels.shape[1] == side:
        return images
    resized = [to_square(Image.fromarray(image), side) for image in images.pixels]
    return LabeledImages(np.stack(resized), images.labels)
