"""Find leakage: images of sources that are near-duplicates of images that the teacher was trained or tested on.

A student that is tested on train images of its teacher gets an accuracy that is too high.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.curation.duplicates.near_duplicates import find_near_duplicates, fingerprints_of
from distillery.curation.thumbnails import join_thumbnails, thumbnails_of
from distillery.jobs import log
from distillery.storage.arrays import map_pixels, read_arrays
from distillery.storage.parquet import read_parquet, write_parquet

# Fraction of a source's kept images. A few near-duplicates are chance, or well-known images that any search returns.
# More than one in ten means that the source and the teacher's train images share an origin.
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
        ("teacher_row", pa.int32()),  # of the teacher's most similar image, in its split
        ("teacher_class", pa.string()),  # its class
        ("agreement", pa.float32()),  # see `alignment.Likeness`; the higher one of the image as it is and mirrored
    ]
)


def find_leakage(
    sources: Sequence[tuple[str | Path, str | Path]],
    data: str | Path,
    output: str | Path,
    processes: int = 1,
) -> None:
    """Find every kept image that is a near-duplicate of one of the teacher's images.

    Compares what networks see: the center squares at the study's size. Warns of each source of which more than `MANY`
    of the images are near-duplicates of the teacher's train images. Near-duplicates of its test images cause no
    leakage.

    Args:
        sources: curated pixels and table of each source.
        data: the teacher's data, an `.npz` written by `teacher_data.labeled_images.write_teacher_data`.
        output: the `.parquet` to write, with the columns of `LEAKAGE_SCHEMA`: at most one row for each image and
            split of the teacher.
        processes: number of processes that compare images.

    Raises:
        UserError: a file is damaged.
    """
    tables = [_kept(table) for _, table in sources]
    images = {name: np.concatenate([table[name] for table in tables]) for name in IMAGE_COLUMNS}
    own = [map_pixels(path)[table["row"]] for (path, _), table in zip(sources, tables, strict=True)]
    parts = _teacher_parts(data)
    thumbnails = join_thumbnails([thumbnails_of(pixels) for pixels in [*own, *(pixels for _, pixels, _ in parts)]])
    is_teacher_image = np.arange(len(thumbnails)) >= len(images["row"])
    prints = fingerprints_of(thumbnails, processes)
    near = find_near_duplicates(thumbnails, prints, is_teacher_image, processes)
    found: dict[str, list[np.ndarray]] = {name: [] for name in LEAKAGE_SCHEMA.names}
    start = len(images["row"])
    for part, pixels, labels in parts:
        here = (near.pairs[:, 1] >= start) & (near.pairs[:, 1] < start + len(pixels))
        leaked, teacher_row, agreement = most_alike(near.pairs[here], near.agreement[here])
        teacher_row = teacher_row - start
        start += len(pixels)
        if part == "train":
            _warn_of_leakage(images["source"], leaked)
        log.info(
            "%d of %d images are near-duplicates of the teacher's %s images", len(leaked), len(images["row"]), part
        )
        for name in IMAGE_COLUMNS:
            found[name].append(images[name][leaked])
        found["teacher_split"].append(np.full(len(leaked), part, dtype=object))
        found["teacher_row"].append(teacher_row)
        found["teacher_class"].append(labels[teacher_row])
        found["agreement"].append(agreement)
    write_parquet(output, {name: np.concatenate(parts) for name, parts in found.items()}, LEAKAGE_SCHEMA)


def _warn_of_leakage(sources: np.ndarray, leaked: np.ndarray) -> None:
    """Warn of each source of which more than `MANY` of the images leaked.

    Args:
        sources: the source of every kept image, [N].
        leaked: indices of near-duplicates of the teacher's train images.
    """
    names, kept = np.unique(sources.astype(str), return_counts=True)
    hits = sources[leaked].astype(str)
    for name, total in zip(names.tolist(), kept.tolist(), strict=True):
        count = int((hits == name).sum())
        if count > MANY * total:
            log.warning(
                "source %s: %d of its %d images (%.0f %%) are near-duplicates of the teacher's train images."
                " Unless split.leakage is drop, students are tested on them and look better than they are: set it, or"
                " give the teacher other images",
                *(name, count, total, 100 * count / total),
            )


def most_alike(pairs: np.ndarray, agreement: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each first image, the pair with the highest agreement; if equal, the one with the lowest second index.

    Args:
        pairs: int64 [P, 2].
        agreement: float32 [P].

    Returns:
        First images in ascending order [K], their second images [K], and the agreement of these pairs [K].
    """
    order = np.lexsort((pairs[:, 1], -agreement, pairs[:, 0]))
    first, place = np.unique(pairs[order, 0], return_index=True)
    return first, pairs[order[place], 1], agreement[order[place]]


def _kept(table: str | Path) -> dict[str, np.ndarray]:
    """The columns `IMAGE_COLUMNS` of a curated table, for kept images only."""
    columns = read_parquet(table, (*IMAGE_COLUMNS, "kept"))
    return {name: columns[name][columns["kept"].astype(bool)] for name in IMAGE_COLUMNS}


def _teacher_parts(data: str | Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """For each of the teacher's splits: its name, the pixels uint8 [N, S, S, 3] and the class name of each image."""
    names = [f"{part}_{kind}" for part in TEACHER_SPLITS for kind in ("pixels", "labels")]
    arrays = read_arrays(data, ["classes", *names], "teacher's data")
    classes = arrays["classes"].astype(object)
    return [(part, arrays[f"{part}_pixels"], classes[arrays[f"{part}_labels"]]) for part in TEACHER_SPLITS]
