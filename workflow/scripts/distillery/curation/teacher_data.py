"""Write a teacher's train and test images to one file: from CIFAR-10, folders, data sets or sources."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from distillery.cifar10 import CIFAR10
from distillery.curation.decoding import Rejected, decode, to_square
from distillery.curation.duplicates.near_duplicates import find_near_duplicates, fingerprints_of, load_thumbnails
from distillery.curation.thumbnails import Thumbnails, join_thumbnails
from distillery.jobs import UserError, log, one_line, progress
from distillery.sources.datasets.dataset_files import DatasetSplit, ParquetPart, parts_of
from distillery.sources.datasets.parquet_images import Columns, read_images_at, read_labels, rows_of_class
from distillery.sources.folders.finding import Found, find_images
from distillery.sources.folders.names import is_unread, suffix_of
from distillery.storage.arrays import map_pixels
from distillery.storage.files import atomic_path
from distillery.storage.parquet import read_parquet
from distillery.storage.retrieved.refusals import refusal_of

SPARE = 20  # images per class to read in addition to those wanted, as some may be broken
CuratedFiles = tuple[str | Path, str | Path, str | Path]  # pixels, thumbnails and table of a source


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
    return np.sort(_in_turns(labels, seed)[:count])


def _in_turns(labels: np.ndarray, seed: int) -> np.ndarray:
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


def load_folders(
    path: str | Path,
    test_path: str | Path,
    classes: Sequence[str],
    side: int,
    counts: tuple[int, int],
    seed: int,
    inside: tuple[str, str] = ("", ""),
) -> tuple[LabeledImages, LabeledImages]:
    """Train and test images from two folders or archives, each with a folder per class (see `sources.folders`).

    Images that cannot be decoded are left out, and logged.

    Args:
        path: folder or archive of the train images.
        test_path: folder or archive of the test images; another one than `path`.
        classes: names of the class folders or archives.
        side: pixels; the center square is resized to it.
        counts: largest number of train and of test images; 0 for all.
        seed: of the random subsets.
        inside: for train and test, the folder below that holds the class folders; empty to find it.

    Raises:
        UserError: there is no test folder, it is the train folder, or a class has no images.
    """
    if not test_path or Path(test_path).resolve() / inside[1] == Path(path).resolve() / inside[0]:
        raise UserError(
            f"teacher.data: test_path must be another folder than path ({path}), because the teacher would be tested on"
            " its train images. Move some images of every class into another folder."
        )
    train, test = (
        _load_folder(Path(folder), within, classes, side, count, seed)
        for folder, within, count in zip((path, test_path), inside, counts, strict=True)
    )
    return train, test


def _load_folder(folder: Path, inside: str, classes: Sequence[str], side: int, count: int, seed: int) -> LabeledImages:
    files = [
        (file, label)
        for label, name in enumerate(classes)
        for file in find_images(folder, name, "teacher.data", inside=inside)
    ]
    labels = np.array([label for _, label in files], np.int64)
    found = _read_images([file for file, _ in files], labels, side, count, seed, str(folder))
    rows = sorted(found)
    pixels = np.array([found[row] for row in rows], np.uint8).reshape(-1, side, side, 3)
    return LabeledImages(pixels, labels[rows])


def _read_images(
    files: Sequence[Found], labels: np.ndarray, side: int, count: int, seed: int, where: str
) -> dict[int, np.ndarray]:
    """The images of a balanced subset by row: uint8 [S, S, 3] each.

    A file that cannot be decoded, or is a copy of another one of its class, is replaced by the next file of its class.

    Args:
        files, labels: [N].
        side: S, in pixels.
        count, seed: see `balanced_subset`; files that cannot be used do not count.
        where: the folder, for messages.
    """
    turns = _in_turns(labels, seed)
    waiting = {label: iter(turns[labels[turns] == label].tolist()) for label in np.unique(labels).tolist()}
    found: dict[int, np.ndarray] = {}
    seen: set[tuple[int, str]] = set()
    for label in progress(labels[turns].tolist(), label=f"reading {where}", unit="image"):
        if 0 < count <= len(found):
            break
        for row in waiting[label]:
            if (image := _read_image(files[row], label, seen, side)) is not None:
                found[row] = image
                break
    if len(found) < min(count or len(files), len(files)):
        log.warning("teacher.data: %s: only %d images could be used, of %d files", where, len(found), len(files))
    return found


def _read_image(file: Found, label: int, seen: set[tuple[int, str]], side: int) -> np.ndarray | None:
    """The image of a file: uint8 [S, S, 3]; None if it cannot be used, which is logged.

    Args:
        seen: labels and hashes of files that have been read; changed in place.
    """
    try:
        if is_unread(file.origin):
            raise Rejected(f"format not read: {suffix_of(file.origin)}")
        data = file.read()
        identity = (label, hashlib.sha256(data).hexdigest())
        if identity in seen:
            raise Rejected("exact duplicate")
        square = to_square(decode(data).image, side)
    except (Rejected, OSError) as reason:
        log.info("%s left out: %s", file.origin, reason)
        return None
    seen.add(identity)
    return square


def load_dataset(
    data: Mapping[str, Any], classes: Sequence[str], side: int, counts: tuple[int, int], seed: int
) -> tuple[LabeledImages, LabeledImages]:
    """Train and test images from two splits of a data set (see `sources.datasets`).

    Args:
        data: the section `teacher.data`, which names data set, splits and columns.
        classes: names of classes; the returned labels are indices into these.
        side: pixels; the center square is resized to it.
        counts: largest number of train and of test images; 0 for all.
        seed: of the random subsets.

    Raises:
        UserError: there is no such data set, split, column or label.
        Refusal: the hub does not give access to it.
    """
    train, test = (
        _load_split(DatasetSplit.of(data, key), Columns.of(data), classes, side, count, seed)
        for key, count in zip(("split", "test_split"), counts, strict=True)
    )
    return train, test


def _load_split(
    split: DatasetSplit, columns: Columns, classes: Sequence[str], side: int, count: int, seed: int
) -> LabeledImages:
    where = "teacher.data"
    parts = parts_of(split, where)
    places = {columns.names.get(name, name): label for label, name in enumerate(classes)}
    found = [(part, row, places[name]) for part, row, name in read_labels(parts, columns, where) if name in places]
    labels = np.array([label for *_, label in found], np.int64)
    missing = [name for label, name in enumerate(classes) if label not in labels]
    if missing:
        rows_of_class(parts, missing[0], columns, where)  # raises an error that lists the labels that exist
    # read more images than wanted, as some may be broken, in the order of the files
    turns = _in_turns(labels, seed)
    tried = turns[: count + max(SPARE, count // 10) * len(classes)] if count else turns
    squares = _read_squares(found, set(tried.tolist()), columns, side, where)
    seen: set[tuple[int, str]] = set()
    chosen: list[int] = []
    for row in tried.tolist():
        identity = (int(labels[row]), squares[row][0]) if row in squares else None
        if identity and identity not in seen and not 0 < count <= len(chosen):
            seen.add(identity)
            chosen.append(row)
    rows = sorted(chosen)
    pixels = np.array([squares[row][1] for row in rows], np.uint8).reshape(-1, side, side, 3)
    return LabeledImages(pixels, labels[rows])


def _read_squares(
    found: Sequence[tuple[ParquetPart, int, int]], rows: set[int], columns: Columns, side: int, where: str
) -> dict[int, tuple[str, np.ndarray]]:
    """Row of `found` → hash of the image's bytes and its center square, uint8 [S, S, 3], if it can be decoded."""
    place = {(part, row): index for index, (part, row, _) in enumerate(found) if index in rows}
    squares: dict[int, tuple[str, np.ndarray]] = {}
    for part in dict.fromkeys(part for part, _ in place):
        of_part = [row for other, row in place if other == part]
        for row, image in progress(read_images_at(part, of_part, columns, where), len(of_part), f"reading {part.name}"):
            try:
                data = image.data or b""
                square = to_square(decode(data).image, side)
            except Rejected as reason:
                log.info("%s left out: %s", image.origin, reason)
                continue
            squares[place[part, row]] = hashlib.sha256(data).hexdigest(), square
    return squares


def load_sources(
    train: Sequence[CuratedFiles],
    test: Sequence[CuratedFiles],
    classes: Sequence[str],
    counts: tuple[int, int],
    seed: int,
) -> tuple[LabeledImages, LabeledImages]:
    """Train and test images from curated sources. Test images that are near-duplicates of train images are left out.

    Args:
        train, test: the curated files of each source.
        classes: the study's classes.
        counts: largest number of train and of test images; 0 for all.
        seed: of the random subsets.

    Raises:
        UserError: a file is damaged, or a source refused a class.
    """
    for _, _, table in (*train, *test):
        _require_source(table)
    (train_images, train_thumbnails), (test_images, test_thumbnails) = (
        _curated(part, classes) for part in (train, test)
    )
    both = join_thumbnails([train_thumbnails, test_thumbnails])
    start = len(train_thumbnails)  # index of the first test image
    near = find_near_duplicates(both, fingerprints_of(both), np.arange(len(both)) >= start)
    duplicates = np.unique(near.pairs[:, 1]) - start
    count = len(test_images.labels)
    log.info("%d of %d test images are left out: near-duplicates of train images", len(duplicates), count)
    distinct = np.setdiff1d(np.arange(count), duplicates)
    test_images = LabeledImages(test_images.pixels[distinct], test_images.labels[distinct])
    return limit_images(train_images, counts[0], seed), limit_images(test_images, counts[1], seed)


def _require_source(table: str | Path) -> None:
    """Check that a source of the teacher refused no class: other sources must not replace it silently.

    Raises:
        UserError: it refused a class.
    """
    columns = read_parquet(table, ("source", "class", "reason"))
    for source, label, reason in zip(*(columns[name].tolist() for name in columns), strict=True):
        if refusal := refusal_of(reason):
            raise UserError(
                f"teacher.data: source {source} refused {label} ({refusal}), and the teacher needs it. Get access and"
                " run python -m distillery.retry, or give the teacher other data."
            )


def _curated(files: Sequence[CuratedFiles], classes: Sequence[str]) -> tuple[LabeledImages, Thumbnails]:
    """The kept images of several curated sources and their thumbnails, in the order of the sources."""
    pixels, labels, small = [], [], []
    for array, thumbnails, table in files:
        columns = read_parquet(table, ("class", "row", "kept"))
        kept = np.flatnonzero(columns["kept"])
        kept = kept[np.argsort(columns["row"][kept])]
        labels.append(np.array([classes.index(name) for name in columns["class"][kept]], np.int64))
        pixels.append(np.asarray(map_pixels(array)))
        small.append(load_thumbnails(thumbnails, table)[0])
    return LabeledImages(np.concatenate(pixels), np.concatenate(labels)), join_thumbnails(small)
