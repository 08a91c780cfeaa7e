"""Near-duplicate groups of a study's images, in any class or source.

Groups once made stay: a new image joins the group of the images that it is near to. One that is near images of two
groups would join what was split apart, so it is left out.
"""

from __future__ import annotations

import numpy as np

from distillery.curation.duplicates import connected_groups, near_duplicate_pairs
from distillery.splits.candidates import SplitCandidates, shuffled_order

NEW = -1  # in place of the group of an image that has none yet


def group_images(images: SplitCandidates, distance: int) -> np.ndarray:
    """The near-duplicate group of each image, named by the smallest index of its members.

    Args:
        distance: bits of 64 within which two images, as they are or with one mirrored, are near-duplicates.

    Returns:
        int64 [N].
    """
    return _named_by_first(_connected_nodes(*near_nodes(images, distance)))


def group_with_earlier(
    images: SplitCandidates, distance: int, earlier: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The groups of images of which some have been grouped before.

    Args:
        distance: see `group_images`.
        earlier: int64 [N], the group that an image was in; `NEW` if it was in none.
        seed: of the shuffled order, in which new images that link two groups are met.

    Returns:
        As of `group_images`, and which images are left out because they link two earlier groups: bool [N]. None if
        near-duplicates were in two groups, so that they must have been found in another way then.
    """
    node, near = near_nodes(images, distance)
    old = earlier != NEW
    group_of = np.full(node.max(initial=-1) + 1, NEW)
    group_of[node[old]] = earlier[old]
    ends = group_of[near]
    if ((ends != NEW).all(axis=1) & (ends[:, 0] != ends[:, 1])).any() or (group_of[node] != earlier)[old].any():
        return None
    new = group_of == NEW
    component = connected_groups(len(new), near[new[near].all(axis=1)]) + earlier.max(initial=NEW) + 1
    group_of[new] = component[new]
    _join_earlier(near, group_of, new)
    linking = np.zeros(len(new), dtype=bool)
    if components := _linking_components(near, group_of, new):
        mine = np.isin(group_of, components) & new
        order = [index for index in dict.fromkeys(node[shuffled_order(images, seed)].tolist()) if mine[index]]
        linking[_join_one_by_one(order, near, group_of, new)] = True
    return _named_by_first(group_of[node]), linking[node]


def near_nodes(images: SplitCandidates, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Images as nodes of a graph: images of identical hashes share one, since comparing them would be quadratic.

    Returns:
        The node of each image, int64 [N]; and all pairs of nodes that are near-duplicates, int64 [P, 2].
    """
    hashes = np.stack([images.phash, images.phash_mirror], axis=1)
    unique, node = np.unique(hashes, axis=0, return_inverse=True)
    if not len(unique):
        return np.empty(0, dtype=np.int64), np.empty((0, 2), dtype=np.int64)
    return node.ravel(), near_duplicate_pairs(unique[:, 0], unique[:, 1], distance)


def _connected_nodes(node: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The connected component of each image; arguments as `near_nodes` returns them."""
    return connected_groups(node.max(initial=-1) + 1, near)[node]


def _touched(near: np.ndarray, group_of: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which earlier groups the components of new nodes are near to.

    Args:
        near: pairs of nodes.
        group_of: int64, one entry a node: its earlier group, or the component of a new one.
        new: bool, one entry a node.

    Returns:
        Pairs of a component and an earlier group, int64 [P, 2]; and the number of pairs of each one's component.
    """
    between = near[new[near].sum(axis=1) == 1]
    between = np.where(new[between[:, :1]], between, between[:, ::-1])  # the new one first
    pairs = np.unique(group_of[between], axis=0)
    _, which, counts = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    return pairs, counts[which]


def _join_earlier(near: np.ndarray, group_of: np.ndarray, new: np.ndarray) -> None:
    """Give the nodes of components that are near one earlier group this group; arguments as for `_touched`."""
    pairs, counts = _touched(near, group_of, new)
    joined = dict(pairs[counts == 1].tolist())
    group_of[new] = [joined.get(group, group) for group in group_of[new].tolist()]


def _linking_components(near: np.ndarray, group_of: np.ndarray, new: np.ndarray) -> list[int]:
    """The components that are near several earlier groups; arguments as for `_touched`."""
    pairs, counts = _touched(near, group_of, new)
    return np.unique(pairs[counts > 1, 0]).tolist()


def _join_one_by_one(order: list[int], near: np.ndarray, group_of: np.ndarray, new: np.ndarray) -> list[int]:
    """Give new nodes their groups one after the other; each joins the earlier nodes and those joined before it.

    Args:
        order: of the new nodes.
        near, group_of, new: see `_touched`; `group_of` is changed in place.

    Returns:
        The nodes that link two earlier groups. They join none.
    """
    from scipy.cluster.hierarchy import DisjointSet

    neighbors: dict[int, list[int]] = {}
    for one, other in near[np.isin(near, order).any(axis=1)].tolist():
        neighbors.setdefault(one, []).append(other)
        neighbors.setdefault(other, []).append(one)
    joined, links = DisjointSet(), []
    earlier: dict[int, int] = {}  # root of joined nodes → the earlier group that they are in
    for node in order:
        others = [other for other in neighbors.get(node, ()) if not new[other] or other in joined]
        groups = {int(group_of[other]) for other in others if not new[other]}
        groups |= {earlier[joined[other]] for other in others if new[other] and joined[other] in earlier}
        if len(groups) > 1:
            links.append(node)
            continue
        joined.add(node)
        for other in others:
            if new[other]:
                joined.merge(node, other)
        if groups:
            earlier[joined[node]] = groups.pop()
    unnamed = group_of.max() + 1
    for node in order:
        root = joined[node] if node in joined else node
        group_of[node] = earlier.get(root, unnamed + root)
    return links


def _named_by_first(group: np.ndarray) -> np.ndarray:
    """Groups named by the smallest index of their members: int64 [N]."""
    _, first, which = np.unique(group, return_index=True, return_inverse=True)
    return first[which].astype(np.int64)
