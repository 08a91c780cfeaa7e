"""Pictures of a source that the teacher has learnt from, or was tested on: near-duplicates across the two.

A student that is tested on a picture its teacher was trained on looks better than it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from distillery.arrays import read_arrays
from distillery.curation.duplicates import BITS, near_to, perceptual_hashes
from distillery.jobs import log, progress
from distillery.parquet import read_parquet, write_parquet

PARTS = ("train", "test")  # of the teacher's data
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of pictures
        ("class", pa.string()),
        ("key", pa.string()),
        ("teacher_split", pa.string()),  # train or test
        ("teacher_row", pa.int32()),  # the nearest there
        ("teacher_class", pa.string()),
        ("distance", pa.int16()),  # bits of 64, the picture as it is or mirrored
    ]
)


def find_leakage(tables: Iterable[str | Path], data: str | Path, output: str | Path, distance: int) -> None:
    """Find every kept picture that is a near-duplicate of one of the teacher's.

    Args:
        tables: curated tables of the sources.
        data: the teacher's, an `.npz` of uint8 [N, S, S, 3], labels and classes.
        output: the `.parquet` to write, with the columns of `SCHEMA`: at most one row a picture and teacher's split.
        distance: bits of 64.

    Raises:
        StudyError: a file is damaged.
    """
    pictures = _kept(tables)
    views = np.concatenate([pictures["phash"], pictures["phash_mirror"]]).astype(np.uint64)
    found: dict[str, list[np.ndarray]] = {name: [] for name in SCHEMA.names}
    for part, pixels, labels in _teacher_parts(data):
        hashes = _hashes(pixels, part)
        mine, theirs, bits = nearest(views, hashes, distance)
        log.info("%d of %d pictures are near the teacher's %s pictures", len(mine), len(pictures["row"]), part)
        for name in ("source", "row", "class", "key"):
            found[name].append(pictures[name][mine])
        found["teacher_split"].append(np.full(len(mine), part, dtype=object))
        found["teacher_row"].append(theirs)
        found["teacher_class"].append(labels[theirs])
        found["distance"].append(bits)
    write_parquet(output, {name: np.concatenate(parts) for name, parts in found.items()}, SCHEMA)


def nearest(views: np.ndarray, hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each picture with a hash within the distance, the nearest of them (the first of equals).

    Args:
        views: uint64 [2 N], of N pictures and then of their mirror images.
        hashes: uint64 [M].

    Returns:
        Pictures [P] ascending, their nearest among M, and the bits between them.
    """
    unique, place = np.unique(hashes, return_index=True)
    size = max(len(hashes), 1)
    best = np.full(len(views), (BITS + 1) * size)  # bits, then the place, as one number
    for here, other in near_to(views, unique, distance):
        bits = np.bitwise_count(views[here] ^ unique[other]).astype(np.int64)
        best[here] = np.minimum(best[here], bits * size + place[other])
    best = best.reshape(2, -1).min(axis=0)  # as it is or mirrored
    pictures = np.flatnonzero(best < (BITS + 1) * size)
    bits, others = np.divmod(best[pictures], size)
    return pictures, others, bits.astype(np.int16)


def _kept(tables: Iterable[str | Path]) -> dict[str, np.ndarray]:
    columns = ("source", "row", "class", "key", "phash", "phash_mirror", "kept")
    parts = [read_parquet(path, columns) for path in tables]
    kept = [part["kept"].astype(bool) for part in parts]
    return {name: np.concatenate([part[name][k] for part, k in zip(parts, kept, strict=True)]) for name in columns}


def _teacher_parts(data: str | Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(train or test, pixels, names of their classes)."""
    names = [f"{part}_{kind}" for part in PARTS for kind in ("pixels", "labels")]
    arrays = read_arrays(data, ["classes", *names], "teacher's data")
    classes = arrays["classes"].astype(object)
    for part in PARTS:
        yield part, arrays[f"{part}_pixels"], classes[arrays[f"{part}_labels"]]


def _hashes(pixels: np.ndarray, part: str) -> np.ndarray:
    """uint64 [N] of pictures uint8 [N, S, S, 3]."""
    pictures = progress(pixels, label=f"hashing the teacher's {part} pictures", unit="pictures")
    return np.array([perceptual_hashes(Image.fromarray(picture))[0] for picture in pictures], dtype=np.uint64)
