"""A teacher's images from curated sources, which no student uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distillery.curation.duplicates.near_duplicates import find_near_duplicates, fingerprints_of, load_thumbnails
from distillery.curation.teacher_data.labeled_images import LabeledImages, limit_images
from distillery.curation.thumbnails import Thumbnails, join_thumbnails
from distillery.jobs import UserError, log
from distillery.storage.arrays import map_pixels
from distillery.storage.parquet import read_parquet
from distillery.storage.retrieved.refusals import refusal_of

CuratedFiles = tuple[str | Path, str | Path, str | Path]  # pixels, thumbnails and table of a source


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
