"""Find near-duplicates: images that show the same photograph, cropped, framed, watermarked, mirrored or recompressed.

The search has two stages: `candidate_pairs` finds pairs by hashes, and `alignment` compares the thumbnails of these
pairs. Curation, splits and the search for leakage use these functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from distillery.curation.duplicates.alignment import Likeness, compare_images
from distillery.curation.duplicates.candidate_pairs import candidate_pairs
from distillery.curation.duplicates.keypoints import Fingerprint, fingerprint, mirrored
from distillery.curation.duplicates.pair_table import NEAR_DUPLICATES_SCHEMA
from distillery.curation.duplicates.star_groups import star_centers
from distillery.curation.thumbnails import Thumbnails, join_thumbnails, map_thumbnails
from distillery.jobs import log, progress
from distillery.parallel import in_processes
from distillery.storage.parquet import read_parquet, write_parquet

cv2.setNumThreads(1)  # threads do not pay off for such small images; several processes are used instead


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of near-duplicates among N images.

    Attributes:
        pairs: int64 [P, 2], smaller index first, each pair once, in lexicographic order.
        agreement: float32 [P], fraction of the detailed places that agree, see `alignment.Likeness`.
        is_mirrored: bool [P], whether they are near-duplicates only if one of them is mirrored.
    """

    pairs: np.ndarray
    agreement: np.ndarray
    is_mirrored: np.ndarray


def fingerprints_of(thumbnails: Thumbnails, processes: int = 1) -> list[Fingerprint]:
    """The fingerprint of every thumbnail."""
    images = (thumbnails[place] for place in range(len(thumbnails)))
    shown = progress(images, len(thumbnails), label="finding corners", unit="images")
    return list(in_processes(fingerprint, shown, processes))


def find_near_duplicates(
    thumbnails: Thumbnails,
    prints: Sequence[Fingerprint],
    part: np.ndarray | None = None,
    processes: int = 1,
) -> NearDuplicates:
    """All pairs of near-duplicates.

    Args:
        thumbnails, prints: thumbnails and fingerprints of N images.
        part: int [N]; pairs within one part are left out. None for all pairs.
        processes: number of processes that compare images.
    """
    candidates = candidate_pairs(prints, part)
    pairs, is_mirrored = candidates.pairs, candidates.is_mirrored
    found_pairs = zip(pairs.tolist(), is_mirrored.tolist(), candidates.alignments, strict=True)
    cases = (
        (*_case(thumbnails, prints, one, other, mirror), None if np.isnan(alignment[0, 0]) else alignment)
        for (one, other), mirror, alignment in found_pairs
    )
    shown = progress(cases, len(pairs), label="comparing images", unit="pairs")
    found = list(in_processes(_compare, shown, processes))
    near = np.array([each.is_near_duplicate for each in found], dtype=bool)
    share = np.array([each.agreement for each in found], dtype=np.float32)[near]
    # a pair that agrees both as it is and mirrored occurs twice, first as it is
    pairs, first, place = np.unique(pairs[near], axis=0, return_index=True, return_inverse=True)
    best = np.zeros(len(pairs), dtype=np.float32)
    np.maximum.at(best, place.ravel(), share)
    return NearDuplicates(pairs, best, is_mirrored[near][first])


PrintedImage = tuple[np.ndarray, Fingerprint]  # a thumbnail and its fingerprint


def _case(
    thumbnails: Thumbnails, prints: Sequence[Fingerprint], one: int, other: int, mirror: bool
) -> tuple[PrintedImage, PrintedImage]:
    """Two images to compare, the second one mirrored if `mirror`."""
    image, own = thumbnails[other], prints[other]
    if mirror:
        image, own = np.ascontiguousarray(image[:, ::-1]), mirrored(own)
    return (np.asarray(thumbnails[one]), prints[one]), (np.asarray(image), own)


def _compare(case: tuple[PrintedImage, PrintedImage, np.ndarray | None]) -> Likeness:
    return compare_images(*case)


def is_near_duplicate(thumbnails: Thumbnails, prints: Sequence[Fingerprint], one: int, other: int) -> bool:
    """Whether two images are near-duplicates, as they are or with one mirrored.

    Args:
        thumbnails, prints: thumbnails and fingerprints of all images.
        one, other: indices of the two images.
    """
    cases = (_case(thumbnails, prints, one, other, mirror) for mirror in (False, True))
    return any(compare_images(*case).is_near_duplicate for case in cases)


def tabulate_near_duplicates(
    sources: Sequence[tuple[str | Path, str | Path]], output: str | Path, processes: int = 1
) -> None:
    """Write all pairs of near-duplicates among the kept images of all sources and classes.

    Args:
        sources: thumbnails (`.thumbs.npy`) and curated table (`.parquet`) of each source.
        output: the `.parquet` to write, with the columns of `NEAR_DUPLICATES_SCHEMA`.
        processes: number of processes that compare images.

    Raises:
        UserError: a file is damaged.
    """
    parts = [load_thumbnails(*files) for files in sources]
    thumbnails = join_thumbnails([part for part, _ in parts])
    source = np.concatenate([names for _, names in parts])
    row = np.concatenate([np.arange(len(names)) for _, names in parts])
    pairs = search_pairs(thumbnails, processes)
    log.info("%d pairs of near-duplicates among %d images", len(pairs), len(row))
    one, other = pairs.T
    columns = {"source": source[one], "row": row[one], "other_source": source[other], "other_row": row[other]}
    write_parquet(output, columns, NEAR_DUPLICATES_SCHEMA)


def load_thumbnails(path: str | Path, table: str | Path) -> tuple[Thumbnails, np.ndarray]:
    """The thumbnails of a source's kept images in the order of their rows, and the source's name for each, str [N].

    Args:
        path: the `.thumbs.npy` that curation wrote.
        table: the curated table.

    Raises:
        UserError: a file is damaged.
    """
    columns = read_parquet(table, ("source", "row", "kept", "thumb_height", "thumb_width"))
    kept = np.flatnonzero(columns["kept"])
    kept = kept[np.argsort(columns["row"][kept])]
    sizes = np.stack([columns["thumb_height"], columns["thumb_width"]], axis=1)[kept]
    return map_thumbnails(path, sizes), columns["source"][kept]


def search_pairs(thumbnails: Thumbnails, processes: int = 1) -> np.ndarray:
    """All pairs of near-duplicates among the images: int64 [P, 2].

    The pairs of each group's center are complete, also in groups of hundreds of copies, of which
    `find_near_duplicates` does not list all pairs.
    """
    count = len(thumbnails)
    prints = fingerprints_of(thumbnails, processes)
    pairs = find_near_duplicates(thumbnails, prints, processes=processes).pairs
    order = np.argsort(-np.bincount(pairs.ravel(), minlength=count), kind="stable")  # most near-duplicates first
    centers = star_centers(count, pairs, order.tolist(), partial(is_near_duplicate, thumbnails, prints))
    members = np.flatnonzero(centers != np.arange(count))
    with_centers = np.sort(np.stack([centers[members], members], axis=1), axis=1)
    return np.unique(np.concatenate([pairs, with_centers]), axis=0)
