"""Search for pairs of images that may be near-duplicates: they share corners, or their whole images have near hashes.

The search uses only hashes and the places of corners, so its time grows more slowly than the square of the number of
images. `alignment` then compares the pixels of these pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distillery.curation.duplicates.alignment import NEAR_VIEWS
from distillery.curation.duplicates.consensus import agreeing_pairs
from distillery.curation.duplicates.corner_matches import match_corners, sorted_once
from distillery.curation.duplicates.keypoints import MIRROR, Fingerprint, tabulate_corners
from distillery.curation.duplicates.near_hashes import near_hash_pairs


@dataclass(frozen=True)
class CandidatePairs:
    """Pairs of images that may be near-duplicates.

    Attributes:
        pairs: int64 [P, 2], smaller index first, in lexicographic order. A pair may occur twice, as it is and mirrored.
        is_mirrored: bool [P], whether the second image is mirrored.
        alignments: float64 [P, 2, 3], affine transforms from pixels of the first image to pixels of the second one,
            computed from shared corners. NaN for pairs that share too few.
    """

    pairs: np.ndarray
    is_mirrored: np.ndarray
    alignments: np.ndarray


def candidate_pairs(prints: Sequence[Fingerprint], part: np.ndarray | None = None) -> CandidatePairs:
    """Pairs of images that may be near-duplicates.

    Args:
        prints: fingerprints of N images.
        part: int [N]; pairs within one part are left out. None for all pairs.
    """
    count = max(len(prints), 1)
    corners = tabulate_corners(prints)
    sharing, alignments_from_center = agreeing_pairs(corners, match_corners(corners, part), count)
    views = np.stack([own.views for own in prints]) if prints else np.empty((0, 2), np.uint64)
    by_views = np.concatenate([_with_near_views(views, count, mirror) * 2 + mirror for mirror in (False, True)])
    both = sorted_once(np.concatenate([sharing, by_views]))
    pairs = np.stack(np.divmod(both // 2, count), axis=1)
    alignments = np.full((len(both), 2, 3), np.nan)
    place = np.searchsorted(both, sharing)
    alignments[place] = _in_pixels(alignments_from_center, *_sizes(prints)[pairs[place]].swapaxes(0, 1))
    wanted = slice(None) if part is None else part[pairs[:, 0]] != part[pairs[:, 1]]
    return CandidatePairs(pairs[wanted], both[wanted] % 2 == 1, alignments[wanted])


def _sizes(prints: Sequence[Fingerprint]) -> np.ndarray:
    """Width and height of each image: int [N, 2]."""
    return np.array([own.size[::-1] for own in prints], np.int64).reshape(-1, 2)


def _in_pixels(from_center: np.ndarray, size: np.ndarray, to_size: np.ndarray) -> np.ndarray:
    """Convert alignments of `agreeing_pairs` to affine transforms of pixels: float64 [P, 2, 3].

    Args:
        from_center: complex [P, 2], for places that are measured from the image's center.
        size, to_size: int [P, 2], width and height of the first and second images.
    """
    (factor, shift), middle = from_center.T, (size - 1) / 2
    turn = np.stack([factor.real, -factor.imag, factor.imag, factor.real], axis=1).reshape(-1, 2, 2)
    moved = np.stack([shift.real, shift.imag], axis=1) + (to_size - 1) / 2 - (turn @ middle[:, :, None])[:, :, 0]
    return np.concatenate([turn, moved[:, :, None]], axis=2)


def _with_near_views(views: np.ndarray, count: int, is_mirrored: bool) -> np.ndarray:
    """All pairs of images with a near view: int64 [P], each as one number, first image · count + second.

    Args:
        views: uint64 [N, 2], hashes of the whole image and of its center square.
        count: N.
        is_mirrored: whether the second image is mirrored.
    """
    own = views.T.ravel()
    unique, first = np.unique(own, return_index=True)
    # of several identical hashes each is paired only with the first: all pairs would take quadratic time
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
