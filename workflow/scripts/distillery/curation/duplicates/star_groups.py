"""Group near-duplicates around centers: each member is a near-duplicate of its center, so groups do not form chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def star_centers(
    count: int, pairs: np.ndarray, order: Sequence[int], is_near: Callable[[int, int], bool] | None = None
) -> np.ndarray:
    """The center of each image's group.

    Args:
        count: N.
        pairs: int64 [P, 2], near-duplicates.
        order: the images in the order in which they may become centers.
        is_near: compares two images that are both near-duplicates of a third one, because the search for pairs does
            not list all pairs of hundreds of copies. None if the pairs are complete.

    Returns:
        int64 [N]. For a center, and for an image without near-duplicates, it is the image's own index.
    """
    neighbors = _neighbors(count, pairs)
    center = np.full(count, -1)
    for image in order:
        if center[image] >= 0:
            continue
        near = neighbors[image]
        near = near[center[near] < 0]
        center[near] = center[image] = image
        if is_near is None or not len(near):
            continue
        beyond = np.unique(np.concatenate([neighbors[other] for other in near]))
        for other in beyond[center[beyond] < 0].tolist():
            if is_near(image, other):
                center[other] = image
    return center


def _neighbors(count: int, pairs: np.ndarray) -> list[np.ndarray]:
    """The near-duplicates of each image."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    return np.split(both[:, 1], np.cumsum(np.bincount(both[:, 0], minlength=count))[:-1]) if count else []
