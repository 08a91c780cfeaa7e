"""Match corners of different images whose surroundings are similar, as they are or mirrored.

Hashes are looked up by some of their bits in several tables (locality-sensitive hashing, Indyk and Motwani 1998), so
that the time grows more slowly than the square of the number of corners.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from distillery.curation.duplicates.keypoints import HORIZONTAL, MIRROR, FingerprintTable

TABLES = 8  # number of tables; each looks corners up by another subset of the bits, the key
TABLES_OF_LONG_KEYS = 12  # the same for long keys
# keys of at least this many bits are long; they are used from about 14,000 images on. Longer keys find fewer of the
# corners of a copy, and fewer corners that are similar by chance
LONG_KEY = 24
LOW_BITS = 32  # keys use only bits of the lowest frequencies, which survive small shifts and rotations
SAME_CORNER = 13  # largest number of different bits, of 63, between the hashes of a corner and of its copy
# A corner is compared with this many neighbors with the same key, and with different ones in each table. If more than
# `POPULAR` corners have the same key, the number is smaller: corners that thousands of images have, such as that of a
# white frame, say little about two of them, and hundreds of copies of one image share enough other corners.
NEIGHBORS = 8
NEIGHBORS_POPULAR = 2
POPULAR = 16
LOW_HALF = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class CornerMatches:
    """Pairs of corners, each pair once.

    Attributes:
        first, second: int64 [M], their rows in the table of corners, the smaller row first.
        is_mirrored: bool [M], whether one is similar to the other's mirror image.
    """

    first: np.ndarray
    second: np.ndarray
    is_mirrored: np.ndarray


def match_corners(corners: FingerprintTable, part: np.ndarray | None = None) -> CornerMatches:
    """The pairs of similar corners in different images.

    Args:
        corners: of N images.
        part: int [N]; matches between images of one part are left out. None for all matches.
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
    """The distinct values of an int array, sorted; for millions of values several times faster than `np.unique`."""
    values = np.sort(values)
    return values[np.r_[True, values[1:] != values[:-1]]] if len(values) else values


def key_bits(corners: int) -> int:
    """The number of bits of a key. It grows with the number of corners, to limit the number of chance collisions."""
    return int(np.clip(round(np.log2(max(corners, 1))) + 3, 16, 28))


def _tables(corners: int) -> Iterator[tuple[np.uint64, np.uint64, np.random.Generator]]:
    """For each table: the mask of its key, one bit of the key with an odd horizontal frequency, and a generator."""
    bits = key_bits(corners)
    rng = np.random.default_rng(0)
    for _ in range(TABLES_OF_LONG_KEYS if bits >= LONG_KEY else TABLES):
        chosen = rng.permutation(LOW_BITS)[:bits]
        mask = np.bitwise_or.reduce(np.uint64(1) << chosen.astype(np.uint64))
        yield mask, np.uint64(chosen[HORIZONTAL[chosen] % 2 == 1][0]), rng


def _colliding(
    hashes: np.ndarray, mask: np.uint64, odd: np.uint64, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of hashes with the same key that differ in at most `SAME_CORNER` bits, as they are or with one mirrored.

    Args:
        hashes: uint64 [M].
        mask, odd, rng: see `_tables`.

    Yields:
        Rows of the first and of the second hashes, int64, and whether one is mirrored, bool.
    """
    # the bit of an odd frequency flips in the mirror image: hashes with a 1 are mirrored, so that this bit is always 0
    is_turned = (hashes >> odd & np.uint64(1)).astype(bool)
    turned = np.where(is_turned, hashes ^ MIRROR, hashes)
    # one number for the key (upper half) and the row (lower half), so that a single fast sort orders both. The row is
    # scrambled by an invertible multiplication, so that neighbors differ between tables
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
