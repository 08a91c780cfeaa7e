"""The images a teacher learns from, of any kind, as one file: CIFAR-10, folders by class, sources, or arrays made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from distillery.cifar10 import CIFAR10
from distillery.curation.decoding import Rejected, decode, to_square
from distillery.curation.leakage import nearest
from distillery.jobs import UserError, log, one_line, progress
from distillery.sources.folders import find_images
from distillery.storage.arrays import map_pixels
from distillery.storage.files import atomic_path
from distillery.storage.parquet import read_parquet


@dataclass(frozen=True)
class LabeledImages:
    """pixels uint8 [N, S, S, 3] and labels int64 [N], indices into the study's classes."""

    pixels: np.ndarray
    labels: np.ndarray


def write_teacher_data(path: str | Path, train: LabeledImages, test: LabeledImages, classes: Sequence[str]) -> None:
    """Write the teacher's data as an uncompressed `.npz`, whole or not at all.

    Its arrays: train_pixels and test_pixels uint8 [N, S, S, 3], train_labels and test_labels int64 [N], classes (str).

    Raises:
        UserError: a class has no train or no test image.
    """
    for part, images in (("train", train), ("test", test)):
        counts = np.bincount(images.labels, minlength=len(classes))
        if missing := [name for name, count in zip(classes, counts, strict=True) if not count]:
            raise UserError(
                f"teacher.data: no {part} image of {', '.join(missing)}. Add some, raise `{part}`, or drop the class."
            )
        log.info("teacher's %s images: %d, %d to %d a class", part, len(images.labels), counts.min(), counts.max())
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            train_pixels=train.pixels,
            train_labels=train.labels.astype(np.int64),
            test_pixels=test.pixels,
            test_labels=test.labels.astype(np.int64),
            classes=np.array(list(classes)),
        )


def balanced_subset(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows of a random subset with as many of each class as it allows, in their old order.

    Args:
        labels: int [N].
        count: how many; 0 or at least N keeps all. Classes take turns, so their counts differ by one at most unless
            one runs out.
        seed: another seed is another subset; subsets of one seed nest.

    Returns:
        int64 [min(count, N)], ascending.
    """
    if not 0 < count < len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), np.int64)  # how many of its class come before an image
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    by_turn = order[np.argsort(turn[order], kind="stable")]
    return np.sort(by_turn[:count])


def limit_images(images: LabeledImages, count: int, seed: int) -> LabeledImages:
    """At most `count` of the images (0: all), balanced over the classes."""
    rows = balanced_subset(images.labels, count, seed)
    return LabeledImages(images.pixels[rows], images.labels[rows])


def load_cifar10(
    path: str | Path, classes: Sequence[str], side: int, counts: tuple[int, int], seed: int
) -> tuple[LabeledImages, LabeledImages]:
    """CIFAR-10's train and test images of the classes, downloaded into `path` unless they are there.

    Args:
        path: the folder of `cifar-10-batches-py`.
        classes: names among CIFAR-10's; labels become indices into these.
        side: pixels; other than 32 the images are resized.
        counts: limits of train and test, 0 for all.
        seed: of the subsets.

    Raises:
        UserError: a class CIFAR-10 lacks, or the download failed.
    """
    if unknown := [name for name in classes if name not in CIFAR10]:
        raise UserError(
            f"teacher.data: CIFAR-10 has no class {', '.join(unknown)}, only {', '.join(CIFAR10)}."
            " Use kind: folder for other classes."
        )
    train, test = (_cifar10_part(path, part) for part in (True, False))
    return tuple(
        _resized(limit_images(_only(part, classes), count, seed), side)
        for part, count in zip((train, test), counts, strict=True)
    )


def _cifar10_part(path: str | Path, train: bool) -> LabeledImages:
    from torchvision.datasets import CIFAR10 as Batches

    Path(path).mkdir(parents=True, exist_ok=True)
    try:
        # downloads only what is absent or damaged; the batches are pickles, so torchvision checks their MD5 first
        data = Batches(str(path), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"teacher.data: CIFAR-10 could not be downloaded into {path} ({one_line(error)}). Check the network, or"
            " put its folder cifar-10-batches-py there yourself."
        ) from error
    return LabeledImages(np.asarray(data.data, np.uint8), np.asarray(data.targets, np.int64))


def _only(images: LabeledImages, classes: Sequence[str]) -> LabeledImages:
    """Images of CIFAR-10's labels → those of the classes, labeled by their place among them."""
    place = np.full(len(CIFAR10), -1, np.int64)
    for label, name in enumerate(classes):
        place[CIFAR10.index(name)] = label
    labels = place[images.labels]
    return LabeledImages(images.pixels[labels >= 0], labels[labels >= 0])


def _resized(images: LabeledImages, side: int) -> LabeledImages:
    if images.pixels.shape[1] == side:
        return images
    resized = [to_square(Image.fromarray(image), side) for image in images.pixels]
    return LabeledImages(np.stack(resized), images.labels)


def load_folders(
    path: str | Path, test_path: str | Path, classes: Sequence[str], side: int, counts: tuple[int, int], seed: int
) -> tuple[LabeledImages, LabeledImages]:
    """Train and test images from two places, each a folder of class folders or tars, or a tar (see `folders`).

    Images that cannot be decoded are left out and logged.

    Args:
        path: what to train on.
        test_path: the same to test on, disjoint from `path`.
        classes: names of the folders or tars.
        side: pixels; the center square is resized to it.
        counts: limits of train and test, 0 for all.
        seed: of the subsets.

    Raises:
        UserError: no test folder, the same folder twice, or a class without images.
    """
    if not test_path or Path(test_path).resolve() == Path(path).resolve():
        raise UserError(
            f"teacher.data: test_path must be another folder than path ({path}), or the teacher is tested on what it"
            " trained. Put some images of every class into a folder of their own."
        )
    return tuple(
        _load_folder(Path(folder), classes, side, count, seed)
        for folder, count in zip((path, test_path), counts, strict=True)
    )


def _load_folder(folder: Path, classes: Sequence[str], side: int, count: int, seed: int) -> LabeledImages:
    files = [(file, label) for label, name in enumerate(classes) for file in find_images(folder, name, "teacher.data")]
    rows = balanced_subset(np.array([label for _, label in files], np.int64), count, seed)
    pixels, labels = [], []
    for row in progress(rows, label=f"reading {folder}", unit="image"):
        file, label = files[row]
        try:
            pixels.append(to_square(decode(file.read()).image, side))
            labels.append(label)
        except (Rejected, OSError) as reason:
            log.info("%s left out: %s", file.origin, reason)
    return LabeledImages(np.array(pixels, np.uint8).reshape(-1, side, side, 3), np.array(labels, np.int64))


@dataclass(frozen=True)
class CuratedImages:
    """Kept images of one or more sources, and their perceptual hashes and those of their mirror images: uint64 [N]."""

    images: LabeledImages
    hashes: np.ndarray
    mirrored: np.ndarray


def load_sources(
    train: Sequence[tuple[str | Path, str | Path]],
    test: Sequence[tuple[str | Path, str | Path]],
    classes: Sequence[str],
    counts: tuple[int, int],
    seed: int,
    distance: int,
) -> tuple[LabeledImages, LabeledImages]:
    """Train and test images of curated sources; no test image is a near-duplicate of one trained on.

    Args:
        train, test: pixels (`.npy`) and table (`.parquet`) of each source.
        classes: the study's.
        counts: limits of train and test, 0 for all.
        seed: of the subsets.
        distance: bits of 64 within which two images, as they are or mirrored, are near-duplicates.

    Raises:
        UserError: a file is damaged.
    """
    trained, known = (_curated(part, classes) for part in (train, test))
    doubles, _, _ = nearest(np.concatenate([known.hashes, known.mirrored]), trained.hashes, distance)
    log.info("%d of %d test images left out: near one that is trained on", len(doubles), len(known.hashes))
    left = np.setdiff1d(np.arange(len(known.hashes)), doubles)
    apart = LabeledImages(known.images.pixels[left], known.images.labels[left])
    return limit_images(trained.images, counts[0], seed), limit_images(apart, counts[1], seed)


def _curated(files: Sequence[tuple[str | Path, str | Path]], classes: Sequence[str]) -> CuratedImages:
    parts = []
    for pixels, table in files:
        columns = read_parquet(table, ("class", "row", "kept", "phash", "phash_mirror"))
        kept = {name: column[columns["kept"].astype(bool)] for name, column in columns.items()}
        labels = np.array([classes.index(name) for name in kept["class"]], np.int64)
        found = LabeledImages(map_pixels(pixels)[kept["row"]], labels)
        parts.append(CuratedImages(found, *(kept[name].astype(np.uint64) for name in ("phash", "phash_mirror"))))
    return CuratedImages(
        LabeledImages(
            np.concatenate([part.images.pixels for part in parts]),
            np.concatenate([part.images.labels for part in parts]),
        ),
        np.concatenate([part.hashes for part in parts]),
        np.concatenate([part.mirrored for part in parts]),
    )
