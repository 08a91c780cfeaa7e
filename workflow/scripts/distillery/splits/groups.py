"""Group the near-duplicates among a study's images, across classes and sources.

Every group has a center, an image of which all other members are near-duplicates, so groups do not form chains.
Existing groups never change except that new images join them; other new images start groups. An image is left out if it
is a near-duplicate of members of two groups, or of one group that it cannot join: it would connect images that may be
in different splits.
"""

from __future__ import annotations

import numpy as np

from distillery.splits.candidates import SplitCandidates, shuffled_order

NEW = -1  # in place of the group of an image that has none yet


def group_images(images: SplitCandidates, near: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The near-duplicate groups of images.

    Args:
        near: int64 [P, 2], pairs of near-duplicates among the images.
        seed: of the shuffled order in which images with equally many near-duplicates are processed.

    Returns:
        The group of each image, named by the smallest index of its members: int64 [N]. And which images are left out:
        bool [N].
    """
    return _grouped_in_order(images, near, np.full(len(images.key), NEW), seed)


def group_with_earlier(
    images: SplitCandidates, near: np.ndarray, earlier: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The near-duplicate groups of images of which some have been grouped before.

    Args:
        near, seed: see `group_images`.
        earlier: int64 [N], the group that an image was in; `NEW` if it was in none.

    Returns:
        As `group_images`. None if two near-duplicates were in different groups, which means that the search for
        near-duplicates has changed since then.
    """
    both = earlier[near]
    if ((both != NEW).all(axis=1) & (both[:, 0] != both[:, 1])).any():
        return None
    return _grouped_in_order(images, near, earlier, seed)


def _grouped_in_order(
    images: SplitCandidates, near: np.ndarray, earlier: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The groups of images, and which images are left out. Images with the most near-duplicates are processed first.

    Grouping the same images again, with the earlier result given, leaves out the same images.
    """
    group = earlier.copy()
    neighbors = _neighbors_of(near)
    members: dict[int, set[int]] = {}
    for image in np.flatnonzero(group != NEW).tolist():
        members.setdefault(int(group[image]), set()).add(image)
    unnamed = group.max(initial=NEW) + 1
    waiting = [image for image in _by_degree(images, near, seed).tolist() if group[image] == NEW]
    joined = True
    while joined:  # an image that has joined may be the center through which another image can join
        joined, left = False, []
        for image in waiting:
            own = neighbors.get(image, set())
            touched = {int(group[other]) for other in own if group[other] != NEW}
            if not touched:
                group[image], members[unnamed] = unnamed, {image}
                unnamed += 1
            elif len(touched) == 1 and _has_center(members[name := touched.pop()] | {image}, neighbors, own):
                group[image], joined = name, True
                members[name].add(image)
            else:
                left.append(image)
        waiting = left
    group[waiting] = unnamed + np.arange(len(waiting))
    return _named_by_first(group), np.isin(np.arange(len(group)), waiting)


def _has_center(members: set[int], neighbors: dict[int, set[int]], near: set[int]) -> bool:
    """Whether one of the members in `near` is a center, of which all other members are near-duplicates."""
    return any(members <= neighbors[image] | {image} for image in members & near)


def _neighbors_of(near: np.ndarray) -> dict[int, set[int]]:
    """The near-duplicates of each image that has any."""
    neighbors: dict[int, set[int]] = {}
    for one, other in near.tolist():
        neighbors.setdefault(one, set()).add(other)
        neighbors.setdefault(other, set()).add(one)
    return neighbors


def _by_degree(images: SplitCandidates, near: np.ndarray, seed: int) -> np.ndarray:
    """Indices of the images, those with most near-duplicates first, ties in the shuffled order of a seed: int64 [N]."""
    degree = np.bincount(near.ravel(), minlength=len(images.key))
    order = shuffled_order(images, seed)
    return order[np.argsort(-degree[order], kind="stable")]


def _named_by_first(group: np.ndarray) -> np.ndarray:
    """Groups named by the smallest index of their members: int64 [N]."""
    _, first, which = np.unique(group, return_index=True, return_inverse=True)
    return first[which].astype(np.int64)
