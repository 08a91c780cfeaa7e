"""Find the keypoints of a thumbnail: corners, each with a 64-bit hash of its surroundings.

After a crop, a frame, a text bar or a small rotation, most corners keep their relative places and their surroundings,
whereas a hash of the whole image changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from distillery.curation.thumbnails import THUMBNAIL_SIDE

LEVELS = (40, 30, 20, 15)  # largest number of corners on each level of the image pyramid, the strongest first
PYRAMID_RATIO = 1.2  # ratio of the sides of two successive levels
WEAKEST = 0.005  # strength of the weakest corner, relative to the strongest one of the level
SPACING = 4  # smallest distance in pixels between corners of a level, so that a line of text does not take all corners
REACH = 10  # pixels from a corner to the edge of the square that is hashed
STEP = 2  # pixels between the square's samples; an odd number of samples, so that its mirror image has the same ones
FREQUENCIES = 8  # in each direction
HASH_BITS = FREQUENCIES**2 - 1  # all frequencies except the mean
VIEW_SIDE = 32  # side in pixels to which a view is reduced before it is hashed


def _cosines(samples: int) -> np.ndarray:
    """The first rows of a discrete cosine transform (DCT-II): float32 [FREQUENCIES, samples]."""
    place = (np.arange(samples) + 0.5) / samples
    return np.cos(np.pi * np.arange(FREQUENCIES)[:, None] * place).astype(np.float32)


def _transform(samples: int) -> np.ndarray:
    """The two-dimensional transform of a square as a matrix, low frequencies first: float32 [samples², HASH_BITS]."""
    rows = _cosines(samples)
    both = np.einsum("ay,bx->abyx", rows, rows)[VERTICAL, HORIZONTAL]
    return np.ascontiguousarray(both.reshape(HASH_BITS, -1).T)


_ORDER = sorted((y * y + x * x, y, x) for y in range(FREQUENCIES) for x in range(FREQUENCIES) if y or x)
VERTICAL = np.array([y for _, y, _ in _ORDER])
HORIZONTAL = np.array([x for _, _, x in _ORDER])
OFFSETS = np.arange(-REACH, REACH + 1, STEP)
CORNER_TRANSFORM = _transform(len(OFFSETS))
VIEW_TRANSFORM = _transform(VIEW_SIDE)
# bits that flip in the hash of a mirrored square: coefficients of odd horizontal frequency change their sign
MIRROR = np.uint64(sum(1 << place for place, x in enumerate(HORIZONTAL.tolist()) if x % 2))


@dataclass(frozen=True)
class Fingerprint:
    """The features of a thumbnail that are compared with those of others.

    Attributes:
        points: float32 [K, 2], x and y of each corner, in pixels of the enlarged thumbnail.
        hashes: uint64 [K], hash of each corner's surroundings: the signs of its low frequencies, the lowest frequency
            in the lowest bit.
        views: uint64 [2], hashes of the whole image and of its center square.
        size: height and width of the enlarged thumbnail in pixels.
    """

    points: np.ndarray
    hashes: np.ndarray
    views: np.ndarray
    size: tuple[int, int]


def fingerprint(image: np.ndarray) -> Fingerprint:
    """The fingerprint of a thumbnail (uint8 [H, W]). Corners are found by the measure of Shi and Tomasi (1994)."""
    image = enlarged(image)
    points, squares = [np.empty((0, 2), np.float32)], [np.empty((0, len(OFFSETS) ** 2), np.uint8)]
    for level, count in enumerate(LEVELS):
        ratio = PYRAMID_RATIO**level
        height, width = (max(1, round(side / ratio)) for side in image.shape)
        reduced = image if level == 0 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        reduced = cv2.GaussianBlur(reduced, (5, 5), 1.0)
        corners = cv2.goodFeaturesToTrack(reduced, count, WEAKEST, SPACING)
        if corners is None:  # the level is flat
            continue
        found = corners.reshape(-1, 2)
        points.append(found * np.float32(ratio))
        squares.append(_squares_around(reduced, found.astype(np.intp)))
    hashes = _hash_squares(np.concatenate(squares), CORNER_TRANSFORM)
    return Fingerprint(np.concatenate(points), hashes, _view_hashes(image), image.shape)


def enlarged(image: np.ndarray) -> np.ndarray:
    """Enlarge a thumbnail (uint8 [H, W]) so that its longer side is `THUMBNAIL_SIDE` pixels."""
    scale = THUMBNAIL_SIDE / max(image.shape)
    if scale <= 1:
        return image
    height, width = (round(side * scale) for side in image.shape)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)


def _squares_around(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Samples of the square around each corner (int [K, 2], x and y): uint8 [K, samples²]."""
    padded = cv2.copyMakeBorder(image, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    stride = padded.shape[1]
    offsets = (OFFSETS[:, None] * stride + OFFSETS).ravel()
    middle = (corners[:, 1] + REACH) * stride + corners[:, 0] + REACH
    return padded.ravel()[middle[:, None] + offsets]


def _hash_squares(squares: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Hashes of squares, uint64 [K]: the signs of their transform.

    Args:
        squares: uint8 [K, samples²].
        transform: see `_transform`.
    """
    signs = np.zeros((len(squares), HASH_BITS + 1), dtype=bool)
    np.greater(squares.astype(np.float32) @ transform, 0, out=signs[:, :HASH_BITS])
    return np.packbits(signs, axis=1, bitorder="little").view("<u8")[:, 0]


def _view_hashes(image: np.ndarray) -> np.ndarray:
    """Hashes of the whole image and of its center square: uint64 [2]."""
    views = [
        cv2.resize(image[y : y + height, x : x + width], (VIEW_SIDE, VIEW_SIDE), interpolation=cv2.INTER_AREA)
        for x, y, width, height in view_boxes(image.shape)
    ]
    return _hash_squares(np.stack(views).reshape(len(views), -1), VIEW_TRANSFORM)


def view_boxes(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """The two views of a thumbnail, the whole image and its center square, each as x, y, width and height.

    Args:
        size: height and width of the thumbnail.
    """
    height, width = size
    short = min(size)
    return [(0, 0, width, height), ((width - short) // 2, (height - short) // 2, short, short)]


def mirrored(own: Fingerprint) -> Fingerprint:
    """The fingerprint of the mirror image."""
    points = own.points.copy()
    points[:, 0] = own.size[1] - 1 - points[:, 0]
    return Fingerprint(points, own.hashes ^ MIRROR, own.views ^ MIRROR, own.size)


@dataclass(frozen=True)
class FingerprintTable:
    """The corners of N images in one table, image after image.

    Attributes:
        hashes: uint64 [M].
        owner: int32 [M], index of each corner's image.
        places: complex64 [M], place x + iy of each corner, measured from its image's center, in pixels of the enlarged
            thumbnail.
    """

    hashes: np.ndarray
    owner: np.ndarray
    places: np.ndarray


def tabulate_corners(prints: Sequence[Fingerprint]) -> FingerprintTable:
    """The corners of all images."""
    owner = np.repeat(np.arange(len(prints), dtype=np.int32), [len(own.hashes) for own in prints])
    hashes = np.concatenate([np.empty(0, np.uint64), *(own.hashes for own in prints)])
    points = np.concatenate([np.empty((0, 2), np.float32), *(own.points for own in prints)])
    sizes = np.array([own.size for own in prints], np.float32).reshape(-1, 2)
    centered = points - (sizes[owner, ::-1] - 1) / 2
    return FingerprintTable(hashes, owner, centered[:, 0] + 1j * centered[:, 1])
