"""Decide whether two thumbnails show the same photograph: align them by their corners, then compare them in detail.

Different images of the same subject, such as two airplanes in the sky, agree overall and differ in detail. So the
fraction of detailed places that agree decides, not the correlation of the whole images. A text bar or a watermark
leaves most places unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np

from distillery.curation.duplicates.keypoints import Fingerprint, enlarged, view_boxes

MATCHING = 16  # largest number of different bits, of 63, between the hashes of corners that may be the same
INLIER = 2.5  # largest distance, in pixels of a thumbnail, between a corner and where the alignment puts it
FEWEST_INLIERS = 4  # corners that must agree; two would suffice to compute scale, rotation and shift
LARGEST_TURN = 15.0  # largest rotation between two thumbnails, in degrees
LARGEST_SCALE = 2.0  # largest ratio of scale between two thumbnails
NEAR_VIEWS = 6  # largest number of different bits, of 63, between the hashes of views that may show the same
WINDOW = 9  # side in pixels of the places that are compared, in a thumbnail that is not enlarged
AGREEING = 0.93  # smallest correlation of two places that agree
FLAT = 5.0  # gray levels; places with a smaller standard deviation have no detail
LEAST_DETAIL = 0.02  # smallest fraction of places with detail; with fewer there is too little to compare
LEAST_OVERLAP = 0.4  # smallest overlap, as a fraction of the smaller image
# Smallest correlation over all places that agree. Two drawings of the same outline agree in each place on an edge, but
# what is bright in one may be dark in the other.
SAME_TONES = 0.95
# Smallest fractions of places that agree in near-duplicates: most places; or some, if many corners agree too, because a
# text bar or a watermark hides the other places
MOST_PLACES = 0.65
SOME_PLACES = 0.3
MANY_CORNERS = 32
# thumbnails enlarged by more than this factor, such as CIFAR-10's, have few independent places and blurred corners, so
# more places must agree
ENLARGED = 1.5
MOST_PLACES_ENLARGED = 0.8
# smallest fractions of places that agree, and their correlation, at half the size after a rough alignment: only such
# pairs are compared in full
SOME_PLACES_ROUGHLY = 0.25
SOME_PLACES_ENLARGED_ROUGHLY = 0.5
SAME_TONES_ROUGHLY = 0.8


@dataclass(frozen=True)
class Likeness:
    """How similar two aligned images are.

    Attributes:
        agreement: fraction of the detailed places that agree, 0 to 1; 0 if the two cannot be aligned.
        corners: number of corners that agree.
        scale: factor by which the smaller of the two thumbnails was enlarged, at least 1.
    """

    agreement: float = 0.0
    corners: int = 0
    scale: float = 1.0

    @property
    def is_near_duplicate(self) -> bool:
        """Whether the two images show the same photograph."""
        if self.scale > ENLARGED:
            return self.agreement >= MOST_PLACES_ENLARGED
        if self.agreement >= MOST_PLACES:
            return True
        return self.agreement >= SOME_PLACES and self.corners >= MANY_CORNERS


def compare_images(
    one: tuple[np.ndarray, Fingerprint], other: tuple[np.ndarray, Fingerprint], alignment: np.ndarray | None = None
) -> Likeness:
    """Align two images and compare them.

    Args:
        one, other: each a thumbnail, uint8 [H, W], and its fingerprint.
        alignment: float64 [2, 3], a rough affine transform from pixels of `one` to pixels of `other`. Images that
            differ at half their size after this alignment are not compared further. None if it is unknown.
    """
    # details are larger in an enlarged image
    scale = max(print.size[0] / image.shape[0] for image, print in (one, other))
    by_views = list(_by_views(one[1], other[1]))
    looks_alike = alignment is None or _look_alike(one, other, alignment, scale)
    if not looks_alike and not by_views:
        return Likeness()
    matched = _matched_corners(one[1], other[1])
    best = Likeness()
    first, second = enlarged(one[0]), enlarged(other[0])
    for transform in chain(_by_corners(*matched, alignment) if looks_alike else (), by_views):
        corners = int(_agree(transform, *matched).sum())
        found = Likeness(_agreeing_share(first, second, transform, scale), corners, scale)
        if found.is_near_duplicate:
            return found
        best = max(best, found, key=lambda each: each.agreement)
    return best


def _look_alike(
    one: tuple[np.ndarray, Fingerprint], other: tuple[np.ndarray, Fingerprint], alignment: np.ndarray, scale: float
) -> bool:
    """Whether two roughly aligned thumbnails agree in enough places at half their size."""
    small = [
        cv2.resize(image, (print.size[1] // 2, print.size[0] // 2), interpolation=cv2.INTER_AREA)
        for image, print in (one, other)
    ]
    turn, shift = alignment[:, :2], alignment[:, 2]
    halved = np.column_stack([turn, (turn.sum(axis=1) / 2 + shift - 0.5) / 2])  # pixel centers have integer places
    share = _agreeing_share(small[0], small[1], halved, scale / 2, SAME_TONES_ROUGHLY)
    return share >= (SOME_PLACES_ENLARGED_ROUGHLY if scale > ENLARGED else SOME_PLACES_ROUGHLY)


def _by_views(one: Fingerprint, other: Fingerprint) -> Iterator[np.ndarray]:
    """Alignments of each pair of near views (whole images or center squares): float64 [2, 3], from `one` to `other`."""
    near = np.bitwise_count(one.views[:, None] ^ other.views) <= NEAR_VIEWS
    for view, other_view in np.argwhere(near).tolist():
        x, y, width, height = view_boxes(one.size)[view]
        to_x, to_y, to_width, to_height = view_boxes(other.size)[other_view]
        across, down = to_width / width, to_height / height
        # pixel centers have integer places
        shift = (to_x - 0.5 - across * (x - 0.5), to_y - 0.5 - down * (y - 0.5))
        yield np.array([[across, 0, shift[0]], [0, down, shift[1]]])


def _matched_corners(one: Fingerprint, other: Fingerprint) -> tuple[np.ndarray, np.ndarray]:
    """Places of the corners that are each other's most similar ones, if they are similar enough: two float32 [K, 2]."""
    if not len(one.hashes) or not len(other.hashes):
        return one.points[:0], other.points[:0]
    bits = np.bitwise_count(one.hashes[:, None] ^ other.hashes)
    nearest, back = bits.argmin(axis=1), bits.argmin(axis=0)
    corners = np.arange(len(nearest))
    mutual = (back[nearest] == corners) & (bits[corners, nearest] <= MATCHING)
    return one.points[mutual], other.points[nearest[mutual]]


def _by_corners(start: np.ndarray, end: np.ndarray, alignment: np.ndarray | None) -> Iterator[np.ndarray]:
    """Alignments on which enough matched corners agree: the given one, then the one with most agreement (RANSAC)."""
    if len(start) < FEWEST_INLIERS:
        return
    if alignment is not None and _agree(alignment, start, end).sum() >= FEWEST_INLIERS:
        yield _refined(alignment, start, end)
    turned, inliers = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=INLIER, maxIters=300)
    if turned is not None and _plausible(turned) and inliers.sum() >= FEWEST_INLIERS:
        yield _refined(turned, start, end)


def _plausible(transform: np.ndarray) -> bool:
    """Whether an alignment neither rotates nor scales too much."""
    (cosine, _, _), (sine, _, _) = transform
    scale, turn = np.hypot(cosine, sine), abs(np.degrees(np.arctan2(sine, cosine)))
    return bool(1 / LARGEST_SCALE <= scale <= LARGEST_SCALE and turn <= LARGEST_TURN)


def _refined(transform: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """A full affine transform, fitted to the corners that agree with an alignment; the alignment if these are too few.

    Also the alignment itself, if the fitted transform differs too much from it.
    """
    inside = _agree(transform, start, end)
    if inside.sum() < 2 * FEWEST_INLIERS:
        return transform
    ones = np.ones((int(inside.sum()), 1))
    fitted, _, rank, _ = np.linalg.lstsq(np.hstack([start[inside], ones]), end[inside], rcond=None)
    stretched = fitted.T
    if rank < 3 or np.abs(stretched[:, :2] - transform[:, :2]).max() > 0.15:
        return transform
    return stretched


def _agree(transform: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Which corners an alignment moves to the place of their match: bool [K].

    Args:
        start, end: float [K, 2], places of the corners and of their matches.
    """
    moved = start @ transform[:, :2].T + transform[:, 2]
    return np.linalg.norm(moved - end, axis=1) <= INLIER


def _agreeing_share(
    one: np.ndarray, other: np.ndarray, transform: np.ndarray, scale: float, same_tones: float = SAME_TONES
) -> float:
    """The fraction of the detailed places of `one` that agree with the aligned `other`; 0 if too few can be compared.
    A place is a window of `WINDOW · scale` pixels a side around a pixel. It agrees if the correlation there is at least
    `AGREEING`, so brightness and contrast do not matter.

    Args:
        one, other: uint8 [H, W].
        transform: float64 [2, 3], from pixels of `one` to pixels of `other`.
        scale: factor by which the thumbnails were enlarged.
        same_tones: smallest correlation over all places that agree.
    """
    side = 2 * round((WINDOW * scale - 1) / 2) + 1
    height, width = one.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(other.astype(np.float32), transform, (width, height), flags=flags)
    inside = cv2.warpAffine(np.ones(other.shape, np.float32), transform, (width, height), flags=flags) > 0.99
    area = other.size / abs(np.linalg.det(transform[:, :2]))
    if inside.sum() < LEAST_OVERLAP * min(one.size, area):
        return 0.0
    first, second = (cv2.GaussianBlur(image, (0, 0), scale) for image in (one.astype(np.float32), laid))
    mean, mean_laid = _window_mean(first, side), _window_mean(second, side)
    variance, variance_laid = _window_mean(first**2, side) - mean**2, _window_mean(second**2, side) - mean_laid**2
    covariance = _window_mean(first * second, side) - mean * mean_laid
    whole = _window_mean(inside.astype(np.float32), side) > 0.99  # windows that the other image covers
    detailed = whole & (np.maximum(variance, variance_laid) > FLAT**2)
    if detailed.sum() < LEAST_DETAIL * one.size:
        return 0.0
    product = np.maximum(variance, 1) * np.maximum(variance_laid, 1)
    agreeing = detailed & (covariance >= AGREEING * np.sqrt(product))
    if not agreeing.any() or _correlation(first[agreeing], second[agreeing]) < same_tones:
        return 0.0
    return float(agreeing.sum() / detailed.sum())


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation of two arrays; 0 if one is flat."""
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / max(1e-6, np.sqrt((one**2).sum() * (other**2).sum())))


def _window_mean(image: np.ndarray, side: int) -> np.ndarray:
    return cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT)
