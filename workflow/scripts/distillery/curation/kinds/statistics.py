"""Compute statistics that distinguish photos from drawings, text and screenshots: flat areas, edges, tones, colors.

They are computed from two small images that curation makes anyway, so they cost little time.
"""

from __future__ import annotations

import cv2
import numpy as np

# limits of the step between neighboring pixels, in gray levels: steps within the first two are flat areas, steps beyond
# the last two are strong edges
STEPS = [1, 3, 8, 24, 48, 96]
SAME_TONE = 3  # largest difference between gray levels that count as the same tone
WHITE, BLACK = 250, 5  # gray levels: white is at least the first, black at most the second
PERCENTILES = np.array([0.05, 0.5, 0.95], dtype=np.float32)
COLOR_SIDE = 32  # pixels a side of the square whose colors are counted
COLOR_BINS = 8  # number of bins for each channel
MANY = 8  # number of colors in the statistic `top_colors`
LEVELS = np.arange(256, dtype=np.float32)
NAMES = (
    *(f"up_to_{step}" for step in STEPS), "row_line", "column_line", "border", "same_border",
    "white", "black", "top_tone", "tones", "dark", "middle", "bright", "colors", "top_color", "top_colors",
)  # fmt: skip


def image_statistics(thumbnail: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The statistics of one image, in the order of `NAMES`.

    Args:
        thumbnail: the whole image in gray, uint8 [H, W], at least 3 pixels a side.
        square: its center square in colors, uint8 [S, S, 3].

    Returns:
        float64 [F]: fractions from 0 to 1, tones in gray levels / 255, and lines as multiples of the mean step.
    """
    return np.array([*_edges(thumbnail), *_tones(thumbnail), *_colors(square)], dtype=np.float64)


def _edges(gray: np.ndarray) -> list[float]:
    """Cumulative distribution of the steps between neighbors, the strongest lines, and the border's most frequent tone.

    Of the border both the tone and the fraction of pixels with this tone.
    """
    across = cv2.absdiff(gray[1:, 1:], gray[1:, :-1])
    down = cv2.absdiff(gray[1:, 1:], gray[:-1, 1:])
    steps = cv2.max(across, down)[::2]
    counts = _histogram(steps)
    total = counts.cumsum()
    mean = float(counts @ LEVELS) / steps.size + 1.0
    lines = [_line(down, axis=1) / mean, _line(across, axis=0) / mean]
    border = _histogram(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]]))
    most = int(border.argmax())
    same = float(border[max(0, most - SAME_TONE) : most + SAME_TONE + 1].sum()) / (2 * sum(gray.shape))
    return [*(float(total[step]) / steps.size for step in STEPS), *lines, most / 255, same]


def _line(steps: np.ndarray, axis: int) -> float:
    """The strength of the strongest line across the whole image, along an axis.

    The strength of a line is the mean step in the weakest of its three thirds.
    """
    third = steps.shape[axis] // 3
    cuts = (slice(third), slice(third, -third), slice(-third, None))
    parts = (steps[:, cut] if axis else steps[cut] for cut in cuts)
    first, middle, last = (cv2.reduce(part, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F) for part in parts)
    return float(cv2.min(cv2.min(first, last), middle).max())


def _tones(gray: np.ndarray) -> list[float]:
    """Fractions of white, of black, of the most frequent tone and of the tones that occur; and three percentiles."""
    gray = gray[::2]
    counts = _histogram(gray)
    total = counts.cumsum()
    tones = (total.searchsorted(PERCENTILES * gray.size) / 255).tolist()
    white, black = 1 - float(total[WHITE - 1]) / gray.size, float(total[BLACK]) / gray.size
    return [white, black, float(counts.max()) / gray.size, cv2.countNonZero(counts) / 256, *tones]


def _colors(square: np.ndarray) -> list[float]:
    """Number of colors (as a multiple of 64), fraction of the most frequent color, and of the `MANY` most frequent."""
    if len(square) != COLOR_SIDE:
        square = cv2.resize(square, (COLOR_SIDE, COLOR_SIDE), interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([square], [0, 1, 2], None, [COLOR_BINS] * 3, [0, 256] * 3).ravel()
    top = np.partition(counts, -MANY)[-MANY:]
    size = COLOR_SIDE**2
    return [cv2.countNonZero(counts) / 64, float(top.max()) / size, float(top.sum()) / size]


def _histogram(values: np.ndarray) -> np.ndarray:
    """How often each value occurs in a uint8 array: whole numbers as float32 [256]."""
    return cv2.calcHist([values], [0], None, [256], [0, 256]).ravel()
