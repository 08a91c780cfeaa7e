"""Which matches of corners agree on one way to lay an image over another: by scale, turn and shift.

Two images of one kind have corners that look alike, but not in the same places.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from distillery.curation.duplicates.alignment import LARGEST_SCALE, LARGEST_TURN
from distillery.curation.duplicates.corner_matches import LONG_KEY, CornerMatches, key_bits
from distillery.curation.duplicates.keypoints import MIRROR, FingerprintTable

FEWEST_AGREEING = 4  # matches
FEWEST_OF_LONG_KEYS = 3  # where corners are looked up by long keys, which match few by chance
MOST_MATCHES = 12  # of two images, those most alike: every two of them are tried
NEAR = 3.0  # pixels of a thumbnail, at most, between a corner and where the alignment puts it
BASELINE = 8.0  # pixels, at least, between two corners from which scale and turn follow
BLOCK = 1 << 20  # distances at a time


def agreeing_pairs(corners: FingerprintTable, matches: CornerMatches, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images of which at least `FEWEST_AGREEING` matches agree, or `FEWEST_OF_LONG_KEYS`.

    Args:
        corners: of `count` images.
        matches: corners that look alike.

    Returns:
        int64 [P], each pair as one number in ascending order: (first image · count + second) · 2 + is mirrored.
        complex128 [P, 2]: scale and turn as one factor, and the shift in pixels, which lead from a place in the first
        image to its place in the second one, mirrored if it is. Places are x + iy from the image's center.
    """
    bits = np.bitwise_count(
        corners.hashes[matches.first]
        ^ corners.hashes[matches.second]
        ^ np.where(matches.is_mirrored, MIRROR, np.uint64(0))
    )
    images = corners.owner[matches.first].astype(np.int64) * count + corners.owner[matches.second]
    pair = images * 2 + matches.is_mirrored
    order = np.argsort(pair * 64 + bits, kind="stable")  # of each pair the most alike first
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
    """Of K matches each, those that agree on the alignment that most agree on; every two matches give an alignment.

    Args:
        start, end: complex [P, K], places of the matched corners.

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
    """Factor and shift that fit the agreeing matches best (least squares): complex128 [P, 2]."""
    number = agree.sum(axis=1, keepdims=True)
    middle, to_middle = ((agree * places).sum(axis=1, keepdims=True) / number for places in (start, end))
    start, end = agree * (start - middle), agree * (end - to_middle)
    factor = (start.conj() * end).sum(axis=1, keepdims=True) / (np.abs(start) ** 2).sum(axis=1, keepdims=True)
    return np.concatenate([factor, to_middle - factor * middle], axis=1)
