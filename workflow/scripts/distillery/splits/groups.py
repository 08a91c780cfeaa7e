"""Near-duplicate groups of a study's images, in any class or source.

A group has an image of which all others in it are near-duplicates, so groups do not chain. Groups once made stay: a new
image joins a group or starts one. One that is near a group and cannot join it, or is near two, would tie together what
may be in two splits, so it is left out.
"""

from __future__ import annotations

import numpy as np

from distillery.splits.candidates import SplitCandidates, shuffled_order

NEW = -1  # in place of the group of an image that has none yet


def group_images(images: SplitCandidates, near: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The near-duplicate groups of images.

    Args:
        near: int64 [P, 2], the near-duplicates among the images.
        seed: of the shuffled order, in which images with equally many near-duplicates are met.

    Returns:
        The group of each image, named by the smallest index of its members: int64 [N]. And which images are left out,
        bool [N]: they are near-duplicates of images of a group and cannot join it.
    """
    return _grouped_in_order(images, near, np.full(len(images.key), NEW), seed)


def group_with_earlier(
    images: SplitCandidates, near: np.ndarray, earlier: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The groups of images of which some have been grouped before.

    Args:
        near, seed: see `group_images`.
        earlier: int64 [N], the group that an image was in; `NEW` if it was in none.

    Returns:
        As of `group_images`. None if near-duplicates were in two groups, so that they must have been found in another
        way then.
    """
    both = earlier[near]
    if ((both != NEW).all(axis=1) & (both[:, 0] != both[:, 1])).any():
        return None
    return _grouped_in_order(images, near, earlier, seed)


def _grouped_in_order(
    images: SplitCandidates, near: np.ndarray, earlier: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The groups of images and which are left out; new images are met one after the other, the likeliest centers first.

    An image that was left out is left out again when the same images are grouped with those of the first time.
    """
    group = earlier.copy()
    neighbors = _neighbors_of(near)
    members: dict[int, set[int]] = {}
    for image in np.flatnonzero(group != NEW).tolist():
        members.setdefault(int(group[image]), set()).add(image)
    unnamed = group.max(initial=NEW) + 1
    waiting = [image for image in _by_degree(images, near, seed).tolist() if group[image] == NEW]
    joined = True
    while joined:  # an image that joins may be the center that another one is near to
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
    """Whether all members are near-duplicates of one that is there already, which is among `near`."""
    return any(members <= neighbors[image] | {image} for image in members & near)


def _neighbors_of(near: np.ndarray) -> dict[int, set[int]]:
    """The near-duplicates of each image that has any."""
    neighbors: dict[int, set[int]] = {}
    for one, other in near.tolist():
        neighbors.setdefault(one, set()).add(other)
        neighbors.setdefault(other, set()).add(one)
    return neighbors


def _by_degree(images: SplitCandidates, near: np.ndarray, seed: int) -> np.ndarray:
    """The images with most near-duplicates first, of equally many in the shuffled order of a seed: int64 [N]."""
    degree = np.bincount(near.ravel(), minlength=len(images.key))
    order = shuffled_order(images, seed)
    return order[np.argsort(-degree[order], kind="stable")]


def _named_by_first(group: np.ndarray) -> np.ndarray:
    """Groups named by the smallest index of their members: int64 [N]."""
    _, first, which = np.unique(group, return_index=True, return_inverse=True)
    return first[which].astype(np.int64)
