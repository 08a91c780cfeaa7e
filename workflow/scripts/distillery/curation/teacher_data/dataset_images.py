"""A teacher's images from a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from distillery.curation.decoding import Rejected, decode, to_square
from distillery.curation.teacher_data.labeled_images import LabeledImages, rows_in_turns
from distillery.jobs import log, progress
from distillery.sources.datasets.dataset_files import DatasetSplit, ParquetPart, parts_of
from distillery.sources.datasets.parquet_images import Columns, read_images_at, read_labels, rows_of_class

SPARE = 20  # images per class to read in addition to those wanted, as some may be broken


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
    turns = rows_in_turns(labels, seed)
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
