"""Whether two thumbnails show one photograph: one is laid over the other by their corners, then compared in detail.

Two different images of one kind, such as two airplanes in the sky, agree in the large and differ in the small. So the
share of the detailed places that agree decides, not the correlation of the whole. A text bar or a watermark leaves most
places as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np

from distillery.curation.duplicates.keypoints import Fingerprint, enlarged, view_boxes

MATCHING = 16  # bits of 63, at most, between the hashes of two corners that may be the same
INLIER = 2.5  # pixels of a thumbnail, at most, between a corner and where the alignment puts it
FEWEST_INLIERS = 4  # an alignment by scale, turn and shift follows from two
LARGEST_TURN = 15.0  # degrees
LARGEST_SCALE = 2.0  # of one thumbnail against the other, either way
NEAR_VIEWS = 6  # bits of 63, at most, between the hashes of two whole images that may be laid over each other
WINDOW = 9  # pixels a side of the places that are compared, in a thumbnail that is not enlarged
AGREEING = 0.93  # correlation of two places, at least
FLAT = 5.0  # gray levels; places with less deviation have no detail
LEAST_DETAIL = 0.02  # of the thumbnail; with less there is nothing to compare
LEAST_OVERLAP = 0.4  # of the smaller image
# correlation over all places that agree, at least: the edges of two drawings of one outline agree, each for itself, but
# what is bright in one is dark in the other
SAME_TONES = 0.95
# Near-duplicates agree in most places, or in some and in many corners: a text bar or a watermark hides the other places
MOST_PLACES = 0.65
SOME_PLACES = 0.3
MANY_CORNERS = 32
# images that are much enlarged, such as those of CIFAR-10, have few independent places, and corners that are blurred
ENLARGED = 1.5
MOST_PLACES_ENLARGED = 0.8
# places that agree at half the size, where the images are laid over each other roughly: enough for a closer look
SOME_PLACES_ROUGHLY = 0.25
SOME_PLACES_ENLARGED_ROUGHLY = 0.5
SAME_TONES_ROUGHLY = 0.8


@dataclass(frozen=True)
class Likeness:
    """Two aligned images.

    Attributes:
        agreement: share of the detailed places that agree, 0 to 1; 0 if the two cannot be aligned.
        corners: number of corners that agree.
        scale: how much the smaller image was enlarged.
    """

    agreement: float = 0.0
    corners: int = 0
    scale: float = 1.0

    @property
    def is_near_duplicate(self) -> bool:
        """Whether the two show one photograph."""
        if self.scale > ENLARGED:
            return self.agreement >= MOST_PLACES_ENLARGED
        if self.agreement >= MOST_PLACES:
            return True
        return self.agreement >= SOME_PLACES and self.corners >= MANY_CORNERS


def compare_images(
    one: tuple[np.ndarray, Fingerprint], other: tuple[np.ndarray, Fingerprint], alignment: np.ndarray | None = None
) -> Likeness:
    """Lay two images over each other and compare them.

    Args:
        one, other: thumbnail, uint8 [H, W], and its fingerprint.
        alignment: float64 [2, 3], how to lay one over the other, roughly. Images that then look unlike at half their
            size are not compared further. None if it is not known.
    """
    # the details of an enlarged image are larger
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
    """Whether two thumbnails, laid over each other roughly, agree in some places at half their size."""
    small = [
        cv2.resize(image, (print.size[1] // 2, print.size[0] // 2), interpolation=cv2.INTER_AREA)
        for image, print in (one, other)
    ]
    turn, shift = alignment[:, :2], alignment[:, 2]
    halved = np.column_stack([turn, (turn.sum(axis=1) / 2 + shift - 0.5) / 2])  # centers lie at whole numbers
    share = _agreeing_share(small[0], small[1], halved, scale / 2, SAME_TONES_ROUGHLY)
    return share >= (SOME_PLACES_ENLARGED_ROUGHLY if scale > ENLARGED else SOME_PLACES_ROUGHLY)


def _by_views(one: Fingerprint, other: Fingerprint) -> Iterator[np.ndarray]:
    """Ways to lay near views over each other, whole images or center squares: float64 [2, 3], from one's pixels."""
    near = np.bitwise_count(one.views[:, None] ^ other.views) <= NEAR_VIEWS
    for mine, theirs in np.argwhere(near).tolist():
        x, y, width, height = view_boxes(one.size)[mine]
        to_x, to_y, to_width, to_height = view_boxes(other.size)[theirs]
        across, down = to_width / width, to_height / height
        # the centers of pixels lie at whole numbers
        shift = (to_x - 0.5 - across * (x - 0.5), to_y - 0.5 - down * (y - 0.5))
        yield np.array([[across, 0, shift[0]], [0, down, shift[1]]])


def _matched_corners(one: Fingerprint, other: Fingerprint) -> tuple[np.ndarray, np.ndarray]:
    """Places of the corners that are each other's likest, if they are alike enough: two float32 [K, 2]."""
    if not len(one.hashes) or not len(other.hashes):
        return one.points[:0], other.points[:0]
    bits = np.bitwise_count(one.hashes[:, None] ^ other.hashes)
    nearest, back = bits.argmin(axis=1), bits.argmin(axis=0)
    corners = np.arange(len(nearest))
    mutual = (back[nearest] == corners) & (bits[corners, nearest] <= MATCHING)
    return one.points[mutual], other.points[nearest[mutual]]


def _by_corners(start: np.ndarray, end: np.ndarray, alignment: np.ndarray | None) -> Iterator[np.ndarray]:
    """Alignments that enough matched corners agree on: the given one, then the one that most agree on (RANSAC)."""
    if len(start) < FEWEST_INLIERS:
        return
    if alignment is not None and _agree(alignment, start, end).sum() >= FEWEST_INLIERS:
        yield _refined(alignment, start, end)
    turned, inliers = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=INLIER, maxIters=300)
    if turned is not None and _plausible(turned) and inliers.sum() >= FEWEST_INLIERS:
        yield _refined(turned, start, end)


def _plausible(transform: np.ndarray) -> bool:
    """Whether an alignment neither turns nor scales too much."""
    (cosine, _, _), (sine, _, _) = transform
    scale, turn = np.hypot(cosine, sine), abs(np.degrees(np.arctan2(sine, cosine)))
    return bool(1 / LARGEST_SCALE <= scale <= LARGEST_SCALE and turn <= LARGEST_TURN)


def _refined(transform: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """An alignment that may stretch too, fitted to the corners that agree with the first one, if enough of them do."""
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
    """Which corners (float [K, 2]) an alignment moves to where they should be: bool [K]."""
    moved = start @ transform[:, :2].T + transform[:, 2]
    return np.linalg.norm(moved - end, axis=1) <= INLIER


def _agreeing_share(
    one: np.ndarray, other: np.ndarray, transform: np.ndarray, scale: float, same_tones: float = SAME_TONES
) -> float:
    """The share of the detailed places of `one` that agree with `other`, laid over it; 0 if too little can be compared.

    A place is a window of `WINDOW · scale` pixels around a pixel. It agrees if the correlation there is `AGREEING` or
    more, so brightness and contrast do not matter.
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
