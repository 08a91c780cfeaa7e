"""Corners of different images whose surroundings are alike, as they are or mirrored.

Hashes are looked up by a part of their bits, in several tables (locality-sensitive hashing, Indyk and Motwani 1998), so
that time grows slower than the square of the number of corners.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from distillery.curation.duplicates.keypoints import HORIZONTAL, MIRROR, FingerprintTable

TABLES = 8  # in each, corners are looked up by another subset of the bits
TABLES_OF_LONG_KEYS = 12
LONG_KEY = 24  # bits, from some 14,000 images on: longer keys find fewer of a copy's corners, and fewer by chance
LOW_BITS = 32  # the subsets are of the lowest frequencies, which survive small shifts and turns
SAME_CORNER = 13  # bits of 63, at most, between the hashes of a corner and of its copy
# Corners under one key are compared with so many neighbors, others in each table. What thousands of images show, such
# as the corner of a white frame, says little about two of them; hundreds of copies of one image share enough others.
NEIGHBORS = 8
NEIGHBORS_POPULAR = 2
POPULAR = 16
LOW_HALF = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class CornerMatches:
    """Pairs of corners, each pair once.

    Attributes:
        first, second: int64 [M], their rows in the table of corners; the first one's image comes first.
        is_mirrored: bool [M], whether one is like the other's mirror image.
    """

    first: np.ndarray
    second: np.ndarray
    is_mirrored: np.ndarray


def match_corners(corners: FingerprintTable, part: np.ndarray | None = None) -> CornerMatches:
    """Corners of different images that look alike.

    Args:
        corners: of N images.
        part: int [N]; only matches between images of different parts are wanted. None wants all.
    """
    count = max(len(corners.hashes), 1)
    found = [np.empty(0, np.int64)]
    for mask, odd, rng in _tables(count):
        for first, second, is_mirrored in _colliding(corners.hashes, mask, odd, rng):
            one, other = corners.owner[first], corners.owner[second]
            wanted = one != other if part is None else part[one] != part[other]
            first, second = np.sort(np.stack([first[wanted], second[wanted]]), axis=0)
            found.append((first * 2 + is_mirrored[wanted]) * count + second)
    matches = sorted_once(np.concatenate(found))
    first, second = np.divmod(matches, count)
    return CornerMatches(first // 2, second, first % 2 == 1)


def sorted_once(values: np.ndarray) -> np.ndarray:
    """Distinct values of an int array, sorted. (For millions, `np.unique` takes several times as long.)"""
    values = np.sort(values)
    return values[np.r_[True, values[1:] != values[:-1]]] if len(values) else values


def key_bits(corners: int) -> int:
    """How many bits corners are looked up by. More corners need more, or chance collisions grow with the square."""
    return int(np.clip(round(np.log2(max(corners, 1))) + 3, 16, 28))


def _tables(corners: int) -> Iterator[tuple[np.uint64, np.uint64, np.random.Generator]]:
    """The bits by which each table looks up, one bit of them of an odd horizontal frequency, and its randomness."""
    bits = key_bits(corners)
    rng = np.random.default_rng(0)
    for _ in range(TABLES_OF_LONG_KEYS if bits >= LONG_KEY else TABLES):
        chosen = rng.permutation(LOW_BITS)[:bits]
        mask = np.bitwise_or.reduce(np.uint64(1) << chosen.astype(np.uint64))
        yield mask, np.uint64(chosen[HORIZONTAL[chosen] % 2 == 1][0]), rng


def _colliding(
    hashes: np.ndarray, mask: np.uint64, odd: np.uint64, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Hashes that agree in the mask's bits and differ in at most `SAME_CORNER` of all, as they are or one mirrored.

    Yields:
        Rows of the first and of the second hash, int64, and whether one is mirrored, bool.
    """
    # the bit of an odd frequency changes in the mirror image: all squares are turned so that it is 0
    is_turned = (hashes >> odd & np.uint64(1)).astype(bool)
    turned = np.where(is_turned, hashes ^ MIRROR, hashes)
    # the key above, the row below, scrambled by a multiplication that can be undone: one fast sort of numbers
    factor, shift = (int(value) for value in rng.integers(0, 2**31, 2) * 2 + 1)
    rows = np.arange(len(hashes), dtype=np.uint64) * np.uint64(factor) + np.uint64(shift)
    ordered = np.sort((turned & mask) << np.uint64(32) | rows & LOW_HALF)
    order = ((ordered - np.uint64(shift)) * np.uint64(pow(factor, -1, 2**32)) & LOW_HALF).astype(np.int64)
    keys, turned, is_turned = ordered >> np.uint64(32), turned[order], is_turned[order]
    at = np.arange(len(hashes))
    for step in range(1, NEIGHBORS + 1):
        at = at[: np.searchsorted(at, len(hashes) - step)]
        at = at[keys[at] == keys[at + step]]
        if step > NEIGHBORS_POPULAR:
            at = at[keys[np.minimum(at + POPULAR, len(keys) - 1)] != keys[at]]
        near = at[np.bitwise_count(turned[at] ^ turned[at + step]) <= SAME_CORNER]
        yield order[near], order[near + step], is_turned[near] != is_turned[near + step]
