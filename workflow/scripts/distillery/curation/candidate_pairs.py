"""Pairs of images that may be near-duplicates: those that share corners, or whose whole images have near hashes.

The search reads hashes alone and its time grows little faster than the number of images; `alignment` then compares the
pixels of the pairs found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from distillery.curation.alignment import NEAR_VIEWS
from distillery.curation.keypoints import MIRROR, Fingerprint, FingerprintTable, tabulate_corners
from distillery.curation.near_hashes import near_hash_pairs

TABLES = 8  # in each, corners are looked up by another subset of the bits
LOW_BITS = 32  # the subsets are of the lowest frequencies, which survive small shifts and turns
SAME_CORNER = 13  # bits of 63, at most, between the hashes of a corner and of its copy
SHARED_CORNERS = 2  # at least
# corners that are looked up under one key are compared with so many neighbors at most: the time stays linear even if
# thousands of images show the same logo
NEIGHBORS = 64


def candidate_pairs(prints: Sequence[Fingerprint], part: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images that may be near-duplicates.

    Args:
        prints: of N images.
        part: int [N]; only pairs of different parts are wanted. None wants all pairs.

    Returns:
        int64 [P, 2], each pair once for each way it was found, smaller index first, in lexicographic order; and
        bool [P], whether the second image is mirrored.
    """
    count = max(len(prints), 1)
    corners = tabulate_corners(prints)
    views = np.stack([own.views for own in prints]) if prints else np.empty((0, 2), np.uint64)
    found = []
    for is_mirrored in (False, True):
        keys = [_sharing_corners(corners, count, is_mirrored), _with_near_views(views, count, is_mirrored)]
        found.append(np.unique(np.concatenate(keys)) * 2 + is_mirrored)
    both = np.sort(np.concatenate(found))
    pairs = np.stack(np.divmod(both // 2, count), axis=1)
    if part is not None:
        apart = part[pairs[:, 0]] != part[pairs[:, 1]]
        both, pairs = both[apart], pairs[apart]
    return pairs, both % 2 == 1


def _sharing_corners(corners: FingerprintTable, count: int, is_mirrored: bool) -> np.ndarray:
    """Pairs that share `SHARED_CORNERS` corners or more, each as one number: first image · count + second."""
    hashes, total = corners.hashes, len(corners.hashes)
    if is_mirrored:
        hashes = np.concatenate([hashes, hashes ^ MIRROR])
    found = [np.empty(0, np.int64)]
    for key in _key_masks(total):
        for first, second in _colliding(hashes, key):
            if is_mirrored:  # one of the two as it is, the other mirrored
                one = (first < total) != (second < total)
                first, second = first[one] % total, second[one] % total
            other = corners.owner[first] != corners.owner[second]
            first, second = first[other], second[other]
            swap = corners.owner[first] > corners.owner[second]
            first, second = np.where(swap, second, first), np.where(swap, first, second)
            pair = corners.owner[first].astype(np.int64) * count + corners.owner[second]
            found.append(pair << 8 | corners.number[first])  # fewer than 256 corners an image
    # several tables may find the same corner
    pairs, shared = np.unique(np.unique(np.concatenate(found)) >> 8, return_counts=True)
    return pairs[shared >= SHARED_CORNERS]


def _key_masks(corners: int) -> Iterator[np.uint64]:
    """The bits by which each table looks up. More corners need more bits, or chance collisions grow with the square."""
    bits = int(np.clip(round(np.log2(max(corners, 1))) + 3, 16, 28))
    rng = np.random.default_rng(0)
    for _ in range(TABLES):
        yield np.bitwise_or.reduce(np.uint64(1) << rng.permutation(LOW_BITS)[:bits].astype(np.uint64))


def _colliding(hashes: np.ndarray, key: np.uint64) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of hashes that agree in all bits of the key and differ in at most `SAME_CORNER` of all, in parts."""
    order = np.argsort(hashes & key, kind="stable")
    hashes = hashes[order]
    keys = hashes & key
    at = np.arange(len(hashes))
    for step in range(1, NEIGHBORS + 1):
        at = at[: np.searchsorted(at, len(hashes) - step)]
        at = at[keys[at] == keys[at + step]]
        if not len(at):
            return
        near = at[np.bitwise_count(hashes[at] ^ hashes[at + step]) <= SAME_CORNER]
        yield order[near], order[near + step]


def _with_near_views(views: np.ndarray, count: int, is_mirrored: bool) -> np.ndarray:
    """Pairs of which a view of one is near a view of the other, each as one number; all of them, exactly.

    Args:
        views: uint64 [N, 2], hashes of the whole image and of its center square.
    """
    own = views.T.ravel()
    unique, first = np.unique(own, return_index=True)
    # identical hashes are paired with the first of them only: all pairs of them would be quadratic
    chained = np.stack([np.arange(len(own)), first[np.searchsorted(unique, own)]], axis=1)
    if is_mirrored:
        near = near_hash_pairs(np.concatenate([unique, unique ^ MIRROR]), NEAR_VIEWS)
        crossing = (near[:, 0] < len(unique)) != (near[:, 1] < len(unique))
        near = near[crossing] % max(len(unique), 1)
        pairs = first[near]
    else:
        pairs = np.concatenate([chained, first[near_hash_pairs(unique, NEAR_VIEWS)]])
    pairs = pairs % count
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return pairs.min(axis=1) * count + pairs.max(axis=1)
