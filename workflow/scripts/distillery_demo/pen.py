"""A pen that draws the shapes of figures onto an image, and the colors that figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from PIL import ImageDraw

Color = tuple[int, int, int]
Point = tuple[float, float]
T = TypeVar("T")

CIRCLE = [(math.cos(k * math.pi / 8), math.sin(k * math.pi / 8)) for k in range(16)]


class Pen:
    """Draws shapes onto an image. Their coordinates are those of the figure, which the pen converts to pixels.

    Args:
        draw: of an RGB image.
        center: position of the figure's origin, in pixels.
        scale: pixels per unit of the figure's coordinates.
        turn: rotation of the figure in radians, clockwise.
        mirror: whether the figure faces left.
        stretch: factor for the figure's width; less than 1 looks as if seen from an angle.
    """

    def __init__(
        self,
        draw: ImageDraw.ImageDraw,
        center: Point,
        scale: float,
        turn: float = 0.0,
        mirror: bool = False,
        stretch: float = 1.0,
    ):
        self.draw, self.scale, (self.left, self.top) = draw, scale, center
        c, s, across = scale * math.cos(turn), scale * math.sin(turn), (-stretch if mirror else stretch)
        self.xx, self.xy, self.yx, self.yy = c * across, -s, s * across, c

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """Fill a polygon."""
        left, top, xx, xy, yx, yy = self.left, self.top, self.xx, self.xy, self.yx, self.yy
        self.draw.polygon([(left + xx * x + xy * y, top + yx * x + yy * y) for x, y in points], fill=color)

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: Color, turn: float = 0.0) -> None:
        """Fill an ellipse of half axes rx and ry, rotated by `turn` radians."""
        c, s = math.cos(turn), math.sin(turn)
        self.polygon([(x + c * rx * u - s * ry * v, y + s * rx * u + c * ry * v) for u, v in CIRCLE], color)

    def limb(self, points: Sequence[Point], width: float, color: Color, end: float | None = None) -> None:
        """Fill a chain of segments, `width` wide at its start and `end` wide at its end (by default also `width`)."""
        end = width if end is None else end
        pieces = len(points) - 1
        for k, ((x0, y0), (x1, y1)) in enumerate(zip(points, points[1:], strict=False)):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = (y0 - y1) / length / 2, (x1 - x0) / length / 2
            a, b = (width + (end - width) * j / pieces for j in (k, k + 1))
            self.polygon(
                [
                    (x0 + nx * a, y0 + ny * a),
                    (x1 + nx * b, y1 + ny * b),
                    (x1 - nx * b, y1 - ny * b),
                    (x0 - nx * a, y0 - ny * a),
                ],
                color,
            )


def shade(color: Color, factor: float) -> Color:
    """A color multiplied by a factor and clipped: lighter if the factor is above 1, darker if below."""
    red, green, blue = (max(0, min(255, int(c * factor))) for c in color)
    return red, green, blue


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options at random, all with the same probability."""
    return options[int(rng.integers(len(options)))]


PAINT = [(190, 30, 35), (30, 70, 170), (235, 235, 235), (35, 35, 40), (240, 190, 30), (40, 130, 70), (150, 155, 165)]
DARK, LIGHT, GLASS = (30, 28, 30), (240, 238, 230), (150, 190, 215)
