"""Near-duplicates: perceptual hashes, all pairs within a distance, and the groups they form."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

BITS = 64


def perceptual_hashes(image: Image.Image) -> tuple[int, int]:
    """64-bit pHash of an RGB picture and of its mirror image (imagehash's, Zauner 2010)."""
    import imagehash

    # the hash sees 32x32 greys only: reduce once for both views
    small = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    return tuple(int(str(imagehash.phash(view)), 16) for view in (small, ImageOps.mirror(small)))


def close_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """All pairs of hashes that differ in at most `distance` bits.

    Two hashes within t bits agree exactly on one of t + 1 bands (pigeonhole; Norouzi et al. 2012, multi-index hashing),
    so only those that share a band's value are compared.

    Args:
        hashes: uint64 [N].
        distance: t, 0 to 15. With more, bands get shorter than 4 bits and everything is compared with everything.

    Returns:
        int64 [P, 2], each pair once, smaller index first, in lexicographic order.
    """
    if not 0 <= distance < 16:
        raise ValueError(f"distance must be 0 to 15, not {distance}")
    hashes = np.asarray(hashes, dtype=np.uint64)
    edges = np.linspace(0, BITS, distance + 2).astype(int)
    found = [np.empty((0, 2), dtype=np.int64)]
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        mask = np.uint64((1 << int(high - low)) - 1)
        found.append(_pairs_sharing((hashes >> np.uint64(low)) & mask, hashes, distance))
    return np.unique(np.concatenate(found), axis=0)


def _pairs_sharing(band: np.ndarray, hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs with the same band value and at most `distance` differing bits: compare each with its k-th successor."""
    order = np.argsort(band, kind="stable")
    band, sorted_hashes = band[order], hashes[order]
    found = []
    alive = np.arange(len(order))
    for step in range(1, len(order)):
        alive = alive[: np.searchsorted(alive, len(order) - step)]
        alive = alive[band[alive] == band[alive + step]]
        if not len(alive):
            break
        near = alive[np.bitwise_count(sorted_hashes[alive] ^ sorted_hashes[alive + step]) <= distance]
        found.append(np.sort(np.stack([order[near], order[near + step]], axis=1), axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)


def near_pairs(hashes: np.ndarray, mirrored: np.ndarray, distance: int) -> np.ndarray:
    """Pairs of pictures within `distance` bits, as they are or with one of them mirrored.

    Args:
        hashes, mirrored: uint64 [N], of each picture and of its mirror image.

    Returns:
        int64 [P, 2], each pair once, smaller index first, in lexicographic order.
    """
    pairs = close_pairs(np.concatenate([hashes, mirrored]), distance) % max(len(hashes), 1)
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)  # a symmetric picture is not its own duplicate
    return np.unique(pairs, axis=0)


def groups(count: int, pairs: np.ndarray) -> np.ndarray:
    """The connected components of a graph of pairs.

    Returns:
        int64 [count]: for each picture the smallest index in its group (its own, if it has no near-duplicate).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component].astype(np.int64)
