"""A teacher's images from folders or archives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distillery.curation.decoding import Rejected, decode, to_square
from distillery.curation.teacher_data.labeled_images import LabeledImages, rows_in_turns
from distillery.jobs import UserError, log, progress
from distillery.sources.folders.finding import Found, find_images
from distillery.sources.folders.names import is_unread, suffix_of


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
    turns = rows_in_turns(labels, seed)
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
