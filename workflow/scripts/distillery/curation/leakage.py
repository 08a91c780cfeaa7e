"""Leakage: images of a source that are near-duplicates of images the teacher was trained or tested on.

A student that is tested on an image its teacher was trained on scores better than it should.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from distillery.curation.duplicates import BITS, near_matches, perceptual_hashes
from distillery.jobs import log, progress
from distillery.parallel import in_processes
from distillery.storage.arrays import map_pixels, read_arrays
from distillery.storage.parquet import read_parquet, write_parquet

# Of a source's kept images. A few matches are chance, or well-known images that any search returns. More than one in
# ten means that the source and the teacher's data were made from the same images.
MANY = 0.1
TEACHER_SPLITS = ("train", "test")  # of the teacher's data
IMAGE_COLUMNS = ("source", "row", "class", "key")  # columns of a curated table that identify an image
LEAKAGE_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("class", pa.string()),
        ("key", pa.string()),
        ("teacher_split", pa.string()),  # train or test
        ("teacher_row", pa.int32()),  # the nearest image there
        ("teacher_class", pa.string()),
        ("distance", pa.int16()),  # bits of 64, of the image as it is or mirrored
    ]
)


def find_leakage(
    sources: Sequence[tuple[str | Path, str | Path]],
    data: str | Path,
    output: str | Path,
    distance: int,
    processes: int = 1,
) -> None:
    """Find every kept image that is a near-duplicate of one of the teacher's.

    Args:
        sources: curated pixels and table of each.
        data: the teacher's data, an `.npz` of uint8 [N, S, S, 3], labels and classes.
        output: the `.parquet` to write, with the columns of `LEAKAGE_SCHEMA`: at most one row for an image and a
            teacher's split.
        distance: bits of 64.
        processes: number of processes that hash.

    Warns of each source that shares more than `MANY` of its images with the teacher.

    Raises:
        UserError: a file is damaged.
    """
    kept = [_kept(table) for _, table in sources]
    images = {name: np.concatenate([part[name] for part in kept]) for name in IMAGE_COLUMNS}
    parts = _teacher_parts(data)
    # both are hashed at their final size: the table's hashes are of the images before they were resized
    squares = [np.asarray(map_pixels(pixels)) for pixels, _ in sources]
    hashes = _hashes([*squares, *(pixels for _, pixels, _ in parts)], processes)
    views = np.concatenate([found[part["row"]] for found, part in zip(hashes, kept, strict=False)]).T.ravel()
    found: dict[str, list[np.ndarray]] = {name: [] for name in LEAKAGE_SCHEMA.names}
    leaked: list[np.ndarray] = []
    for (part, _, labels), known in zip(parts, hashes[len(sources) :], strict=True):
        mine, theirs, bits = nearest(views, known[:, 0], distance)
        leaked.append(mine)
        log.info("%d of %d images are near the teacher's %s images", len(mine), len(images["row"]), part)
        for name in IMAGE_COLUMNS:
            found[name].append(images[name][mine])
        found["teacher_split"].append(np.full(len(mine), part, dtype=object))
        found["teacher_row"].append(theirs)
        found["teacher_class"].append(labels[theirs])
        found["distance"].append(bits)
    _warn_of_leakage(images["source"], np.concatenate(leaked))
    write_parquet(output, {name: np.concatenate(parts) for name, parts in found.items()}, LEAKAGE_SCHEMA)


def _warn_of_leakage(sources: np.ndarray, leaked: np.ndarray) -> None:
    """Warn of each source of which a large fraction leaked.

    Args:
        sources: the source of every kept image, [N].
        leaked: indices of near-duplicates of the teacher's images; an image may be there twice.
    """
    names, kept = np.unique(sources.astype(str), return_counts=True)
    hits = sources[np.unique(leaked)].astype(str)
    for name, total in zip(names.tolist(), kept.tolist(), strict=True):
        count = int((hits == name).sum())
        if count > MANY * total:
            log.warning(
                "source %s: %d of its %d images (%.0f %%) are near-duplicates of the teacher's images. Unless"
                " split.leakage is drop, its students look better than they are: set it, or give the teacher others",
                *(name, count, total, 100 * count / total),
            )


def nearest(views: np.ndarray, hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each image that has a hash within the distance, the nearest one (the first of equally near ones).

    Args:
        views: uint64 [2 N], hashes of N images, then of their mirror images.
        hashes: uint64 [M].

    Returns:
        Indices of images [P] in ascending order, of their nearest hash [P], and the bits between the two [P].
    """
    unique, place = np.unique(hashes, return_index=True)
    size = max(len(hashes), 1)
    best = np.full(len(views), (BITS + 1) * size)  # bits, then position, as one number
    for here, other in near_matches(views, unique, distance):
        bits = np.bitwise_count(views[here] ^ unique[other]).astype(np.int64)
        best[here] = np.minimum(best[here], bits * size + place[other])
    best = best.reshape(2, -1).min(axis=0)  # as it is or mirrored
    images = np.flatnonzero(best < (BITS + 1) * size)
    bits, others = np.divmod(best[images], size)
    return images, others, bits.astype(np.int16)


def _kept(table: str | Path) -> dict[str, np.ndarray]:
    """The identifying columns of a curated table, of kept images only."""
    columns = read_parquet(table, (*IMAGE_COLUMNS, "kept"))
    return {name: columns[name][columns["kept"].astype(bool)] for name in IMAGE_COLUMNS}


def _teacher_parts(data: str | Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """For train and for test: its name, pixels and class names."""
    names = [f"{part}_{kind}" for part in TEACHER_SPLITS for kind in ("pixels", "labels")]
    arrays = read_arrays(data, ["classes", *names], "teacher's data")
    classes = arrays["classes"].astype(object)
    return [(part, arrays[f"{part}_pixels"], classes[arrays[f"{part}_labels"]]) for part in TEACHER_SPLITS]


def _hashes(sets: Sequence[np.ndarray], processes: int) -> list[np.ndarray]:
    """For each set of images (uint8 [N, S, S, 3]), hashes of every image and of its mirror image: uint64 [N, 2]."""
    counts = [len(images) for images in sets]
    images = progress(chain.from_iterable(sets), sum(counts), label="hashing", unit="images")
    hashes = np.array(list(in_processes(_hash, images, processes)), dtype=np.uint64).reshape(-1, 2)
    return np.split(hashes, np.cumsum(counts)[:-1])


def _hash(image: np.ndarray) -> tuple[int, int]:
    return perceptual_hashes(Image.fromarray(image))
