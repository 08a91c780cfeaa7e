"""Find pairs of images whose corner matches agree on one alignment: one scale, rotation and shift.

Different images of the same subject also have similar corners, but not in the same places.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from distillery.curation.duplicates.alignment import LARGEST_SCALE, LARGEST_TURN
from distillery.curation.duplicates.corner_matches import LONG_KEY, CornerMatches, key_bits
from distillery.curation.duplicates.keypoints import MIRROR, FingerprintTable

FEWEST_AGREEING = 4  # matches that must agree
FEWEST_OF_LONG_KEYS = 3  # the same, if corners are looked up by long keys, which rarely match by chance
MOST_MATCHES = 12  # matches of a pair of images that are used, the most similar first: all pairs of them are tried
NEAR = 3.0  # largest distance, in pixels of a thumbnail, between a corner and where the alignment puts it
BASELINE = 8.0  # smallest distance in pixels between two corners from which scale and rotation are computed
BLOCK = 1 << 20  # distances that are computed at once


def agreeing_pairs(corners: FingerprintTable, matches: CornerMatches, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images of which at least `FEWEST_AGREEING` matches agree; with long keys `FEWEST_OF_LONG_KEYS`.

    Args:
        corners: of `count` images.
        matches: corners that look similar.

    Returns:
        The pairs, int64 [P], in ascending order, each as one number: (first image · count + second) · 2 + is mirrored.
        Their alignments, complex128 [P, 2]: a factor for scale and rotation, and a shift in pixels. A place z in the
        first image is at factor · z + shift in the second image, or in its mirror image. Places are complex numbers
        x + iy, measured from the image's center.
    """
    bits = np.bitwise_count(
        corners.hashes[matches.first]
        ^ corners.hashes[matches.second]
        ^ np.where(matches.is_mirrored, MIRROR, np.uint64(0))
    )
    images = corners.owner[matches.first].astype(np.int64) * count + corners.owner[matches.second]
    pair = images * 2 + matches.is_mirrored
    order = np.argsort(pair * 64 + bits, kind="stable")  # by pair of images, the most similar matches first
    pair = pair[order]
    starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]]) if len(pair) else np.empty(0, np.int64)
    sizes = np.minimum(np.diff(np.r_[starts, len(pair)]), MOST_MATCHES)
    fewest = FEWEST_OF_LONG_KEYS if key_bits(len(corners.hashes)) >= LONG_KEY else FEWEST_AGREEING
    found, alignments = [np.empty(0, np.int64)], [np.empty((0, 2), np.complex128)]
    for size in range(fewest, MOST_MATCHES + 1):
        of_size = starts[sizes == size]
        for block in np.array_split(of_size, -(-len(of_size) * size**3 // BLOCK) or 1):
            chosen = order[block[:, None] + np.arange(size)]
            start, end = corners.places[matches.first[chosen]], corners.places[matches.second[chosen]]
            end = np.where(matches.is_mirrored[chosen], -end.conj(), end)
            agree = _largest_agreement(start, end)
            enough = agree.sum(axis=1) >= fewest
            found.append(pair[block[enough]])
            alignments.append(_fitted(start[enough], end[enough], agree[enough]))
    pairs = np.concatenate(found)
    order = np.argsort(pairs)
    return pairs[order], np.concatenate(alignments)[order]


def _largest_agreement(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """For each pair of images, the largest set of matches that agree on one alignment.

    Every two of the K matches define an alignment that is tried.

    Args:
        start, end: complex [P, K], places of the matched corners in the first and second images.

    Returns:
        bool [P, K]; all False if no alignment is plausible.
    """
    one, other = np.array(list(combinations(range(start.shape[1]), 2))).T
    across, moved = start[:, one] - start[:, other], end[:, one] - end[:, other]
    usable = np.abs(across) >= BASELINE
    factor = moved / np.where(usable, across, 1)
    scale = np.abs(factor)
    usable &= (scale >= 1 / LARGEST_SCALE) & (scale <= LARGEST_SCALE)
    usable &= np.abs(np.angle(factor, deg=True)) <= LARGEST_TURN
    shift = end[:, one] - factor * start[:, one]
    off = np.abs(factor[:, :, None] * start[:, None] + shift[:, :, None] - end[:, None])
    agree = (off <= NEAR) & usable[:, :, None]
    best = agree.sum(axis=2).argmax(axis=1)
    return agree[np.arange(len(start)), best]


def _fitted(start: np.ndarray, end: np.ndarray, agree: np.ndarray) -> np.ndarray:
    """The factor and shift that fit the agreeing matches best, by least squares: complex128 [P, 2]."""
    number = agree.sum(axis=1, keepdims=True)
    middle, to_middle = ((agree * places).sum(axis=1, keepdims=True) / number for places in (start, end))
    start, end = agree * (start - middle), agree * (end - to_middle)
    factor = (start.conj() * end).sum(axis=1, keepdims=True) / (np.abs(start) ** 2).sum(axis=1, keepdims=True)
    return np.concatenate([factor, to_middle - factor * middle], axis=1)
