"""Find all pairs of 64-bit hashes that differ in few bits, without missing any."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

BITS = 64
BLOCK = 1 << 16  # comparisons at once, 10 bytes each, so that they fit into the CPU's second-level cache


def near_hash_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """All pairs of hashes that differ in at most `distance` bits.

    Two hashes that differ in at most t bits agree on at least one of t + 1 bands of bits (pigeonhole principle). So
    only hashes with the same value in a band are compared (multi-index hashing, Norouzi et al. 2012).

    Args:
        hashes: uint64 [N].
        distance: t, 0 to 15. With more, bands would be shorter than 4 bits, and almost all pairs would be compared.

    Returns:
        int64 [P, 2], each pair once, smaller index first, in lexicographic order.
    """
    hashes, bands = np.asarray(hashes, dtype=np.uint64), _bands(distance)
    found = [_pairs_sharing(bands[: place + 1], hashes, distance) for place in range(len(bands))]
    return _sorted_pairs(np.concatenate(found), len(hashes))


def _bands(distance: int) -> list[np.uint64]:
    """The masks of t + 1 bands that together cover all bits.

    Raises:
        ValueError: the distance is out of range.
    """
    if not 0 <= distance < 16:
        raise ValueError(f"distance must be 0 to 15, not {distance}")
    edges = np.linspace(0, BITS, distance + 2).astype(int)
    return [np.uint64(((1 << int(high)) - 1) ^ ((1 << int(low)) - 1)) for low, high in pairwise(edges)]


def _pairs_sharing(bands: list[np.uint64], hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs within the distance that agree in the last of these bands and in no earlier one: int64 [P, 2].

    Args:
        bands: masks.
    """
    order = np.argsort(hashes & bands[-1], kind="stable")
    hashes = hashes[order]
    band = hashes & bands[-1]
    starts = np.flatnonzero(np.r_[True, band[1:] != band[:-1]]) if len(band) else np.empty(0, dtype=np.int64)
    ends = np.r_[starts[1:], len(band)]
    several = ends - starts > 1
    found = [np.empty((0, 2), dtype=np.int64)]
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        for rows, columns in _near_within(hashes[start:end], distance):
            differing = hashes[start:end][rows] ^ hashes[start:end][columns]
            # pairs that agree in an earlier band have been found there
            new = np.ones(len(rows), dtype=bool)
            for earlier in bands[:-1]:
                new &= differing & earlier != 0
            found.append(np.stack([order[start + rows[new]], order[start + columns[new]]], axis=1))
    return np.concatenate(found)


def _near_within(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Compare all pairs block by block; yield the indices (row, column), row < column, of those within the distance."""
    buffers = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint8), np.empty(BLOCK, bool)
    top, count = 0, len(hashes)
    while top < count - 1:
        height = min(max(1, BLOCK // (count - top)), count - top)
        for left in range(top, count, BLOCK):  # one block, unless more than BLOCK hashes share the band
            rows, columns = _near_in(hashes[top : top + height], hashes[left : left + BLOCK], distance, buffers)
            once = rows + top < columns + left
            yield rows[once] + top, columns[once] + left
        top += height


def _near_in(
    rows: np.ndarray, columns: np.ndarray, distance: int, buffers: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The indices (row, column) where hashes differ in at most `distance` bits.

    Args:
        rows, columns: hashes, uint64.
        buffers: arrays of `BLOCK` elements for intermediate results, so that no memory is allocated.
    """
    count = len(rows) * len(columns)
    differing, bits, near = (buffer[:count] for buffer in buffers)
    np.bitwise_xor(rows[:, None], columns[None], out=differing.reshape(len(rows), len(columns)))
    np.bitwise_count(differing, out=bits)
    np.less_equal(bits, distance, out=near)
    return np.divmod(np.flatnonzero(near), len(columns))


def _sorted_pairs(pairs: np.ndarray, count: int) -> np.ndarray:
    """Each pair once, smaller index first, in lexicographic order; indices are below `count`."""
    # encode each pair as one number, because sorting rows is far slower
    keys = np.unique(pairs.min(axis=1) * max(count, 1) + pairs.max(axis=1))
    return np.stack(np.divmod(keys, max(count, 1)), axis=1)
