"""Pairs of images that may be near-duplicates: those that share corners, or whose whole images have near hashes.

The search reads hashes and places of corners alone and its time grows slower than the square of the number;
`alignment` then compares the pixels of the pairs found.
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
        pairs: int64 [P, 2], each pair once for each way it was found, smaller index first, in lexicographic order.
        is_mirrored: bool [P], whether the second image is mirrored.
        alignments: float64 [P, 2, 3], how the shared corners lay the first image over the second one: from its pixels
            to the other's. NaN for pairs that share too few.
    """

    pairs: np.ndarray
    is_mirrored: np.ndarray
    alignments: np.ndarray


def candidate_pairs(prints: Sequence[Fingerprint], part: np.ndarray | None = None) -> CandidatePairs:
    """Pairs of images that may be near-duplicates.

    Args:
        prints: of N images.
        part: int [N]; only pairs of different parts are wanted. None wants all pairs.
    """
    count = max(len(prints), 1)
    corners = tabulate_corners(prints)
    sharing, ways = agreeing_pairs(corners, match_corners(corners, part), count)
    views = np.stack([own.views for own in prints]) if prints else np.empty((0, 2), np.uint64)
    by_views = np.concatenate([_with_near_views(views, count, mirror) * 2 + mirror for mirror in (False, True)])
    both = sorted_once(np.concatenate([sharing, by_views]))
    pairs = np.stack(np.divmod(both // 2, count), axis=1)
    alignments = np.full((len(both), 2, 3), np.nan)
    place = np.searchsorted(both, sharing)
    alignments[place] = _in_pixels(ways, *_sizes(prints)[pairs[place]].swapaxes(0, 1))
    wanted = slice(None) if part is None else part[pairs[:, 0]] != part[pairs[:, 1]]
    return CandidatePairs(pairs[wanted], both[wanted] % 2 == 1, alignments[wanted])


def _sizes(prints: Sequence[Fingerprint]) -> np.ndarray:
    """Width and height of each image: int [N, 2]."""
    return np.array([own.size[::-1] for own in prints], np.int64).reshape(-1, 2)


def _in_pixels(ways: np.ndarray, size: np.ndarray, to_size: np.ndarray) -> np.ndarray:
    """Alignments of places that count from the center (complex [P, 2]) as matrices of pixels: float64 [P, 2, 3].

    Args:
        size, to_size: int [P, 2], width and height of the images.
    """
    (factor, shift), middle = ways.T, (size - 1) / 2
    turn = np.stack([factor.real, -factor.imag, factor.imag, factor.real], axis=1).reshape(-1, 2, 2)
    moved = np.stack([shift.real, shift.imag], axis=1) + (to_size - 1) / 2 - (turn @ middle[:, :, None])[:, :, 0]
    return np.concatenate([turn, moved[:, :, None]], axis=2)


def _with_near_views(views: np.ndarray, count: int, is_mirrored: bool) -> np.ndarray:
    """Pairs of which a view of one is near a view of the other, each as one number; all of them, exactly.

    Args:
        views: uint64 [N, 2], hashes of the whole image and of its center square.
    """
    own = views.T.ravel()
    unique, first = np.unique(own, return_index=True)
    # identical hashes are paired with the first of them only: all pairs of them would be quadratic
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
