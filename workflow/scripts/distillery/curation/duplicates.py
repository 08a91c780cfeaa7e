"""Near-duplicates: perceptual hashes, all pairs within a distance, and the groups they form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from PIL import Image, ImageOps

BITS = 64
BLOCK = 1 << 16  # comparisons at a time, 10 bytes each: they fit the CPU's second-level cache


def perceptual_hashes(image: Image.Image) -> tuple[int, int]:
    """64-bit pHash (Zauner 2010, by imagehash) of an RGB image and of its mirror image."""
    import imagehash

    # the hash reads 32 x 32 grays only: reduce once for both views
    small = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    own, mirrored = (int(str(imagehash.phash(view)), 16) for view in (small, ImageOps.mirror(small)))
    return own, mirrored


def near_hash_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """All pairs of hashes that differ in at most `distance` bits.

    Two hashes within t bits agree exactly on one of t + 1 bands (pigeonhole; Norouzi et al. 2012, multi-index hashing),
    so only those that share a band's value are compared.

    Args:
        hashes: uint64 [N].
        distance: t, 0 to 15. With more, bands get shorter than 4 bits and almost all pairs are compared.

    Returns:
        int64 [P, 2], each pair once, smaller index first, in lexicographic order.
    """
    hashes, bands = np.asarray(hashes, dtype=np.uint64), _bands(distance)
    found = [_pairs_sharing(bands[: place + 1], hashes, distance) for place in range(len(bands))]
    return _sorted_pairs(np.concatenate(found), len(hashes))


def _bands(distance: int) -> list[np.uint64]:
    """Masks of t + 1 bands that cover all bits.

    Raises:
        ValueError: the distance is out of range.
    """
    if not 0 <= distance < 16:
        raise ValueError(f"distance must be 0 to 15, not {distance}")
    edges = np.linspace(0, BITS, distance + 2).astype(int)
    return [np.uint64(((1 << int(high)) - 1) ^ ((1 << int(low)) - 1)) for low, high in pairwise(edges)]


def _pairs_sharing(bands: list[np.uint64], hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs within the distance that agree in the last of these bands (masks) and in no earlier one."""
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
            # pairs that agree in an earlier band were found there
            new = np.ones(len(rows), dtype=bool)
            for earlier in bands[:-1]:
                new &= differing & earlier != 0
            found.append(np.stack([order[start + rows[new]], order[start + columns[new]]], axis=1))
    return np.concatenate(found)


def _near_within(hashes: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices (row, column), row < column, of hashes within the distance, comparing all pairs block by block."""
    buffers = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint8), np.empty(BLOCK, bool)
    top, count = 0, len(hashes)
    while top < count - 1:
        height = min(max(1, BLOCK // (count - top)), count - top)
        for left in range(top, count, BLOCK):  # one block, unless very many hashes share the band
            rows, columns = _near_in(hashes[top : top + height], hashes[left : left + BLOCK], distance, buffers)
            once = rows + top < columns + left
            yield rows[once] + top, columns[once] + left
        top += height


def _near_in(
    rows: np.ndarray, columns: np.ndarray, distance: int, buffers: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Where rows and columns of hashes differ in at most `distance` bits; the buffers hold all their comparisons."""
    count = len(rows) * len(columns)
    differing, bits, near = (buffer[:count] for buffer in buffers)
    np.bitwise_xor(rows[:, None], columns[None], out=differing.reshape(len(rows), len(columns)))
    np.bitwise_count(differing, out=bits)
    np.less_equal(bits, distance, out=near)
    return np.divmod(np.flatnonzero(near), len(columns))


def near_duplicate_pairs(hashes: np.ndarray, mirrored: np.ndarray, distance: int) -> np.ndarray:
    """Pairs of images within `distance` bits, as they are or with one of them mirrored.

    Args:
        hashes, mirrored: uint64 [N], of each image and of its mirror image.

    Returns:
        int64 [P, 2], each pair once, smaller index first, in lexicographic order.
    """
    pairs = near_hash_pairs(np.concatenate([hashes, mirrored]), distance) % max(len(hashes), 1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]  # a symmetric image is not its own duplicate
    return _sorted_pairs(pairs, len(hashes))


def near_matches(hashes: np.ndarray, others: np.ndarray, distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices into hashes (uint64 [N]) and others (uint64 [M]) that are within `distance` bits, in parts.

    A part has each hash at most once. So memory stays linear, where the number of pairs may be quadratic, as for many
    frames of one scene. A pair comes once for each band (see `near_hash_pairs`) that it shares.
    """
    for band in _bands(distance):
        order = np.argsort(others & band, kind="stable")
        at, end = (np.searchsorted((others & band)[order], hashes & band, side) for side in ("left", "right"))
        here = np.arange(len(hashes))
        while len(here := here[at[here] < end[here]]):
            other = order[at[here]]
            near = np.bitwise_count(hashes[here] ^ others[other]) <= distance
            yield here[near], other[near]
            at[here] += 1


def first_near_duplicates(views: np.ndarray, kind: np.ndarray, distance: int) -> np.ndarray:
    """For each image, its first near-duplicate of another kind.

    The time stays linear in the number of images that are all near-duplicates: the search skips a run of an image's own
    kind in one step, and ends at its first find.

    Args:
        views: uint64 [N, 2], hashes of each image and of its mirror image; two images are near-duplicates if any of
            their hashes are near.
        kind: int [N].
        distance: bits.

    Returns:
        int64 [N], the index of the near-duplicate; N if there is none.
    """
    count, hashes, kind = len(kind), views.ravel(), np.repeat(kind, 2)
    first = np.full(count, count)
    for band in _bands(distance):
        order = np.argsort(hashes & band, kind="stable")  # stable: indices ascend among those that share the band
        shared = (hashes & band)[order]
        at, end = (np.searchsorted(shared, hashes & band, side) for side in ("left", "right"))
        run_end = _run_ends(kind[order])
        here = np.arange(len(hashes))
        while len(here := here[at[here] < end[here]]):
            other = order[at[here]]
            near = np.bitwise_count(hashes[here] ^ hashes[other]) <= distance
            found = near & (kind[here] != kind[other])
            np.minimum.at(first, here[found] // 2, other[found] // 2)
            at[here] = np.where(kind[here] == kind[other], run_end[at[here]], at[here] + 1)
            here = here[~found]
    return first


def _run_ends(values: np.ndarray) -> np.ndarray:
    """For each position, the end of its run of equal values: int64 [N]."""
    ends = np.r_[np.flatnonzero(values[1:] != values[:-1]) + 1, len(values)]
    return ends[np.searchsorted(ends, np.arange(len(values)), "right")]


def _sorted_pairs(pairs: np.ndarray, count: int) -> np.ndarray:
    """Each pair once, smaller index first, in lexicographic order; indices are below `count`."""
    # a pair as one number: sorting rows is far slower
    keys = np.unique(pairs.min(axis=1) * max(count, 1) + pairs.max(axis=1))
    return np.stack(np.divmod(keys, max(count, 1)), axis=1)


def connected_groups(count: int, pairs: np.ndarray) -> np.ndarray:
    """The connected components of a graph of pairs.

    Returns:
        int64 [count]: for each image the smallest index in its group (its own, if it has no near-duplicate).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component].astype(np.int64)
