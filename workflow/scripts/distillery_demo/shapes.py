"""What the ten classes look like: figures of polygons in a plane of their own.

A figure is drawn facing right, centerd, within about [-1, 1] on both axes, y down, its ground at y = 0.8. Each draws
its own proportions from the generator, so that no two are alike and neighbors (cat and dog, deer and horse,
automobile and truck, airplane and bird) overlap in all but what makes them what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import ImageDraw

Color = tuple[int, int, int]
Point = tuple[float, float]

CIRCLE = [(math.cos(k * math.pi / 8), math.sin(k * math.pi / 8)) for k in range(16)]


class Pen:
    """AugmentParams shapes given in a figure's plane onto an image.

    Args:
        draw: the image, RGB.
        center: where the figure's origin lies, pixels.
        scale: pixels per unit.
        turn: radians, clockwise.
        mirror: whether the figure faces left.
        stretch: width over height, for views that are not quite from the side.
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
        """Fill an ellipse of half axes rx and ry, turned by radians."""
        c, s = math.cos(turn), math.sin(turn)
        self.polygon([(x + c * rx * u - s * ry * v, y + s * rx * u + c * ry * v) for u, v in CIRCLE], color)

    def limb(self, points: Sequence[Point], width: float, color: Color, end: float | None = None) -> None:
        """A chain of segments, `width` wide at its start and `end` (the same by default) at its end."""
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
    """Lighter (factor > 1) or darker."""
    return tuple(max(0, min(255, int(c * factor))) for c in color)


def pick(rng: np.random.Generator, options: Sequence):
    """One of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]


# colors overlap between the classes that are confused, but each has its own favorites
CAT = [(110, 110, 115), (185, 120, 60), (215, 140, 60), (60, 55, 55), (225, 215, 200)]
DOG = [(150, 100, 60), (200, 160, 110), (225, 215, 200), (120, 75, 45), (60, 55, 55)]
DEER = [(185, 135, 85), (165, 110, 65), (150, 95, 55)]
HORSE = [(100, 60, 40), (70, 45, 35), (130, 85, 50), (50, 40, 40), (225, 215, 205)]
PAINT = [(190, 30, 35), (30, 70, 170), (235, 235, 235), (35, 35, 40), (240, 190, 30), (40, 130, 70), (150, 155, 165)]
FEATHERS = [(120, 90, 60), (40, 40, 45), (60, 100, 170), (190, 60, 40), (210, 170, 60)]
SKIN = [(90, 150, 50), (70, 130, 45), (130, 150, 60), (110, 110, 55), (150, 180, 60)]
DARK, LIGHT, GLASS = (30, 28, 30), (240, 238, 230), (150, 190, 215)


def legs(pen: Pen, rng: np.random.Generator, xs: Sequence[float], top: float, width: float, color: Color) -> None:
    """Four legs at xs, far ones darker, mid-stride by a random amount."""
    stride = rng.uniform(-0.15, 0.15)
    for k, x in enumerate(xs):
        swing = stride * (1 if k % 2 else -1)
        knee = (x + swing * 0.3 + 0.03, (top + 0.8) / 2)
        pen.limb([(x, top), knee, (x + swing, 0.8)], width, shade(color, 0.75 if k % 2 else 0.95), width * 0.7)


def cat(pen: Pen, rng: np.random.Generator) -> None:
    """Round head with pointed ears, a long raised tail, short legs; sitting, walking, or the face alone."""
    fur, pose = pick(rng, CAT), rng.random()
    if pose < 0.25:
        _cat_head(pen, rng, 0, 0.1, 0.75, fur)
    elif pose < 0.55:
        pen.limb([(-0.3, 0.7), (-0.75, 0.65), (-0.85, 0.2)], 0.14, shade(fur, 0.85), 0.1)
        pen.ellipse(-0.05, 0.35, 0.36, 0.5, fur)
        pen.ellipse(-0.2, 0.62, 0.3, 0.2, shade(fur, 0.9))
        pen.limb([(0.12, 0.2), (0.18, 0.8)], 0.15, shade(fur, 0.95))
        _cat_head(pen, rng, 0.08, -0.3, 0.36, fur)
    else:
        lift = rng.uniform(-0.9, -0.3)
        pen.limb([(-0.6, 0.2), (-0.85, -0.1), (-0.75, lift)], 0.12, shade(fur, 0.85), 0.09)
        legs(pen, rng, (-0.48, -0.35, 0.3, 0.42), 0.3, 0.14, fur)
        pen.ellipse(-0.05, 0.22, 0.6, rng.uniform(0.22, 0.3), fur)
        _stripes(pen, rng, fur)
        _cat_head(pen, rng, 0.6, -0.08, 0.31, fur)


def _cat_head(pen: Pen, rng: np.random.Generator, x: float, y: float, r: float, fur: Color) -> None:
    for side in (-1, 1):
        tip = (x + side * r * 0.8, y - r * rng.uniform(1.2, 1.45))
        pen.polygon([(x + side * r * 0.15, y - r * 0.7), tip, (x + side * r * 0.95, y - r * 0.15)], shade(fur, 0.85))
    pen.ellipse(x, y, r, r * 0.85, fur)
    pen.ellipse(x, y + r * 0.4, r * 0.4, r * 0.28, shade(fur, 1.25))
    eye = pick(rng, [(150, 180, 60), (200, 170, 60), (110, 160, 190)])
    for side in (-1, 1):
        pen.ellipse(x + side * r * 0.4, y - r * 0.1, r * 0.2, r * 0.17, eye)
        pen.ellipse(x + side * r * 0.4, y - r * 0.1, r * 0.07, r * 0.16, DARK)
    pen.polygon([(x - r * 0.1, y + r * 0.25), (x + r * 0.1, y + r * 0.25), (x, y + r * 0.38)], (200, 120, 120))


def _stripes(pen: Pen, rng: np.random.Generator, fur: Color) -> None:
    if rng.random() < 0.4:
        for x in (-0.4, -0.2, 0.0, 0.2):
            pen.limb([(x, 0.02), (x - 0.04, 0.25)], 0.07, shade(fur, 0.65))


def dog(pen: Pen, rng: np.random.Generator) -> None:
    """A muzzle and hanging ears, longer legs, a shorter tail; sitting, standing, or the face alone."""
    fur, pose = pick(rng, DOG), rng.random()
    if pose < 0.25:
        _dog_face(pen, rng, 0, 0.05, 0.7, fur)
    elif pose < 0.45:
        pen.limb([(-0.35, 0.7), (-0.7, 0.6)], 0.13, shade(fur, 0.85), 0.08)
        pen.ellipse(-0.05, 0.35, 0.36, 0.5, fur)
        pen.ellipse(-0.2, 0.62, 0.32, 0.2, shade(fur, 0.9))
        pen.limb([(0.14, 0.2), (0.2, 0.8)], 0.17, shade(fur, 0.95))
        _dog_head(pen, rng, 0.1, -0.32, 0.3, fur)
    else:
        pen.limb([(-0.55, 0.0), (-0.85, rng.uniform(-0.35, 0.2))], 0.12, shade(fur, 0.85), 0.07)
        legs(pen, rng, (-0.48, -0.35, 0.28, 0.4), 0.1, 0.15, fur)
        pen.ellipse(-0.08, 0.06, 0.56, rng.uniform(0.2, 0.29), fur)
        pen.limb([(0.35, 0.02), (0.6, -0.3)], 0.32, fur)
        _dog_head(pen, rng, 0.62, -0.34, rng.uniform(0.22, 0.28), fur)


def _dog_head(pen: Pen, rng: np.random.Generator, x: float, y: float, r: float, fur: Color) -> None:
    pen.ellipse(x, y, r, r * 0.85, fur)
    long = rng.uniform(0.9, 1.35)
    pen.limb([(x + r * 0.3, y + r * 0.2), (x + r * long * 1.1, y + r * 0.4)], r * 0.75, shade(fur, 1.1), r * 0.55)
    pen.ellipse(x + r * long * 1.15, y + r * 0.25, r * 0.2, r * 0.17, DARK)
    pen.ellipse(x + r * 0.35, y - r * 0.25, r * 0.13, r * 0.13, DARK)
    pen.ellipse(x - r * 0.45, y + r * 0.3, r * 0.3, r * 0.8, shade(fur, 0.65), 0.2)


def _dog_face(pen: Pen, rng: np.random.Generator, x: float, y: float, r: float, fur: Color) -> None:
    pen.ellipse(x, y, r * 0.8, r, fur)
    for side in (-1, 1):
        pen.ellipse(x + side * r * 0.85, y, r * 0.27, r * rng.uniform(0.6, 0.8), shade(fur, 0.65), -side * 0.2)
        pen.ellipse(x + side * r * 0.32, y - r * 0.25, r * 0.13, r * 0.13, DARK)
    pen.ellipse(x, y + r * 0.4, r * 0.45, r * 0.4, shade(fur, 1.25))
    pen.ellipse(x, y + r * 0.22, r * 0.2, r * 0.14, DARK)
    if rng.random() < 0.5:
        pen.ellipse(x, y + r * 0.75, r * 0.14, r * 0.22, (215, 110, 120))


def deer(pen: Pen, rng: np.random.Generator) -> None:
    """Slender, thin legs, an upright neck, antlers or large ears, a short tail with white below."""
    hide = pick(rng, DEER)
    legs(pen, rng, (-0.46, -0.36, 0.26, 0.36), 0.15, 0.09, hide)
    pen.ellipse(-0.06, 0.05, 0.5, rng.uniform(0.17, 0.23), hide)
    pen.ellipse(-0.05, 0.16, 0.35, 0.08, shade(hide, 1.35))
    pen.ellipse(-0.54, 0.0, 0.09, 0.13, LIGHT)
    if rng.random() < 0.4:
        for x in (-0.35, -0.2, -0.05, 0.1):
            pen.ellipse(x, -0.02 + 0.05 * math.sin(9 * x), 0.035, 0.035, LIGHT)
    x, y = (0.6, -0.5) if rng.random() < 0.8 else (0.75, 0.35)  # alert, or grazing
    pen.limb([(0.32, 0.02), (x - 0.04, y)], 0.24, hide, 0.13)
    pen.ellipse(x + 0.08, y + 0.03, 0.17, 0.09, hide, 0.35)
    pen.ellipse(x - 0.1, y - 0.08, 0.14, 0.06, shade(hide, 0.8), -0.5 if y < 0 else 0.3)
    if y < 0 and rng.random() < 0.7:
        horn, height = shade(pick(rng, [(150, 125, 90), (95, 75, 55)]), 1.0), rng.uniform(0.3, 0.5)
        for lean in (-0.2, 0.14):
            pen.limb([(x, y - 0.06), (x + lean, y - height * 0.5), (x + lean * 0.8, y - height)], 0.05, horn)
            pen.limb([(x + lean, y - height * 0.5), (x + lean + 0.16, y - height * 0.8)], 0.045, horn)
            pen.limb([(x + lean * 0.5, y - height * 0.3), (x + lean * 0.5 + 0.14, y - height * 0.45)], 0.045, horn)


def horse(pen: Pen, rng: np.random.Generator) -> None:
    """Heavy body, thick arched neck with a mane, long face, long hanging tail."""
    hide = pick(rng, HORSE)
    hair = pick(rng, [DARK, shade(hide, 0.5), (220, 205, 170)])
    sway = rng.uniform(-0.12, 0.05)
    pen.limb([(-0.55, -0.05), (-0.72, 0.15), (-0.68 + sway, 0.6)], 0.13, hair, 0.1)
    legs(pen, rng, (-0.46, -0.34, 0.26, 0.38), 0.1, 0.13, hide)
    pen.ellipse(-0.08, 0.03, 0.54, rng.uniform(0.23, 0.29), hide)
    x, y = (0.62, -0.5) if rng.random() < 0.8 else (0.8, 0.3)
    pen.limb([(0.25, 0.0), (0.48, y * 0.6), (x, y)], 0.4, hide, 0.2)
    pen.limb([(0.12, -0.2), (0.36, y * 0.7), (x - 0.06, y - 0.08)], 0.14, hair, 0.1)
    pen.limb([(x - 0.03, y - 0.02), (x + 0.26, y + 0.22)], 0.2, hide, 0.13)
    pen.polygon([(x - 0.08, y - 0.05), (x - 0.04, y - 0.22), (x + 0.03, y - 0.06)], shade(hide, 0.8))
    if rng.random() < 0.35:
        saddle = pick(rng, PAINT)
        pen.polygon([(-0.22, -0.24), (0.12, -0.24), (0.1, 0.02), (-0.2, 0.02)], saddle)


def frog(pen: Pen, rng: np.random.Generator) -> None:
    """Squat, eyes on top of a wide head, folded hind legs; from the side or from the front."""
    skin = pick(rng, SKIN)
    belly = shade(skin, 1.5)
    if rng.random() < 0.4:
        for side in (-1, 1):
            pen.ellipse(side * 0.62, 0.5, 0.32, 0.24, shade(skin, 0.8), side * 0.5)
            pen.limb([(side * 0.35, 0.35), (side * 0.42, 0.78)], 0.16, skin, 0.12)
            pen.ellipse(side * 0.48, 0.78, 0.2, 0.07, shade(skin, 0.7))
            pen.ellipse(side * 0.36, -0.22, 0.19, 0.19, skin)
            pen.ellipse(side * 0.36, -0.24, 0.12, 0.12, (215, 180, 60))
            pen.ellipse(side * 0.36, -0.24, 0.1, 0.05, DARK)
        pen.ellipse(0, 0.3, 0.56, 0.46, skin)
        pen.ellipse(0, 0.5, 0.4, 0.27, belly)
        pen.limb([(-0.4, 0.15), (0, 0.25), (0.4, 0.15)], 0.04, shade(skin, 0.5))
    else:
        pen.ellipse(0.0, 0.3, 0.72, 0.33, skin, -0.35)
        pen.ellipse(0.15, 0.45, 0.5, 0.2, belly, -0.3)
        pen.ellipse(0.5, 0.02, 0.34, 0.24, skin)
        pen.ellipse(0.46, -0.22, 0.15, 0.15, skin)
        pen.ellipse(0.48, -0.23, 0.1, 0.1, (215, 180, 60))
        pen.ellipse(0.5, -0.23, 0.06, 0.05, DARK)
        pen.limb([(0.42, 0.35), (0.5, 0.78), (0.68, 0.8)], 0.15, shade(skin, 0.85), 0.1)
        pen.ellipse(-0.42, 0.5, 0.34, 0.2, shade(skin, 0.85), -0.5)
        pen.limb([(-0.6, 0.62), (-0.2, 0.78), (0.1, 0.8)], 0.14, shade(skin, 0.75), 0.08)
    if rng.random() < 0.5:
        for _ in range(4):
            x, y = rng.uniform(-0.35, 0.3, 2)
            pen.ellipse(x, 0.2 + y * 0.4, 0.08, 0.06, shade(skin, 0.6))


def bird(pen: Pen, rng: np.random.Generator) -> None:
    """A beak and feathers: perched with folded wings, or flying with raised ones."""
    feathers = pick(rng, FEATHERS)
    wing, beak = shade(feathers, rng.uniform(0.6, 0.85)), pick(rng, [(230, 160, 40), (60, 55, 50), (200, 120, 60)])
    if rng.random() < 0.55:
        lean = rng.uniform(-0.15, 0.25)
        pen.limb([(-0.35, 0.3 + lean), (-0.85, 0.45 + lean)], 0.24, wing, 0.16)
        pen.ellipse(-0.02, 0.1, 0.48, 0.32, feathers, -0.5 + lean)
        pen.ellipse(0.12, 0.22, 0.28, 0.2, shade(feathers, 1.4), -0.6)
        pen.ellipse(-0.16, 0.14, 0.36, 0.17, wing, -0.2)
        for x in (-0.02, 0.12):
            pen.limb([(x, 0.36), (x + 0.02, 0.8)], 0.05, (90, 70, 50))
        hx, hy = 0.38, -0.3
    else:
        lift = rng.uniform(-0.9, -0.45)
        pen.polygon([(0.15, -0.02), (-0.1, lift - 0.05), (-0.5, lift), (-0.3, 0.05)], shade(wing, 0.8))
        pen.polygon([(-0.35, 0.05), (-0.95, -0.05), (-0.9, 0.22)], wing)
        pen.ellipse(0.0, 0.05, 0.5, 0.2, feathers, -0.1)
        drop = rng.uniform(-0.75, 0.6)
        pen.polygon([(0.2, 0.08), (0.05, drop), (-0.3, drop * 1.1), (-0.25, 0.1)], wing)
        hx, hy = 0.5, -0.08
    pen.polygon([(hx + 0.1, hy - 0.08), (hx + rng.uniform(0.34, 0.5), hy + 0.04), (hx + 0.1, hy + 0.1)], beak)
    pen.ellipse(hx, hy, 0.2, 0.18, feathers)
    pen.ellipse(hx + 0.08, hy - 0.04, 0.045, 0.045, DARK)


def airplane(pen: Pen, rng: np.random.Generator) -> None:
    """A straight fuselage, swept wings and a tail fin: from the side, or from above."""
    body = pick(rng, [LIGHT, (210, 215, 220), (150, 155, 165), (235, 235, 235), (90, 110, 90), (60, 90, 150)])
    trim = pick(rng, PAINT)
    wing = shade(body, 0.75)
    if rng.random() < 0.65:
        pen.polygon([(0.1, -0.02), (-0.15, -0.35), (-0.3, -0.35), (-0.15, -0.02)], shade(wing, 0.85))
        pen.polygon([(-0.6, -0.05), (-0.95, -0.45), (-0.75 - 0.3, -0.45), (-0.92, 0.0)], trim)
        pen.limb([(-0.95, -0.02), (0.75, 0.0)], 0.2, body, 0.24)
        pen.ellipse(0.75, 0.0, 0.25, 0.12, body)
        pen.polygon([(0.78, -0.09), (0.93, -0.03), (0.78, -0.02)], GLASS)
        if rng.random() < 0.7:
            pen.limb([(-0.7, 0.03), (0.7, 0.03)], 0.04, trim)
        pen.polygon([(0.2, 0.02), (-0.35, rng.uniform(0.3, 0.5)), (-0.52, 0.42), (-0.15, 0.04)], wing)
        pen.ellipse(0.02, 0.18, 0.14, 0.07, shade(body, 0.6))
        pen.polygon([(-0.7, 0.0), (-1.0, 0.14), (-1.05, 0.1), (-0.9, -0.02)], wing)
    else:
        sweep = rng.uniform(0.05, 0.5)
        for side in (-1, 1):
            pen.polygon([(0.25, 0.05 * side), (-sweep, 0.9 * side), (-sweep - 0.2, 0.9 * side), (-0.2, 0.05)], wing)
            pen.polygon([(-0.65, 0.02 * side), (-0.9, 0.33 * side), (-1.0, 0.33 * side), (-0.85, 0)], trim)
            pen.ellipse(0.05 - sweep * 0.3, 0.42 * side, 0.13, 0.06, shade(body, 0.6))
        pen.limb([(-0.95, 0.0), (0.8, 0.0)], 0.12, body, 0.22)
        pen.ellipse(0.8, 0.0, 0.2, 0.11, body)


def automobile(pen: Pen, rng: np.random.Generator) -> None:
    """A low body with a rounded cabin amidships; from the side, or from the front."""
    paint = pick(rng, PAINT)
    dim = shade(paint, 0.75)
    if rng.random() < 0.25:
        for side in (-1, 1):
            pen.limb([(side * 0.5, 0.4), (side * 0.5, 0.8)], 0.2, DARK)
        pen.polygon([(-0.6, 0.05), (-0.42, -0.4), (0.42, -0.4), (0.6, 0.05)], dim)
        pen.polygon([(-0.5, 0.02), (-0.37, -0.32), (0.37, -0.32), (0.5, 0.02)], GLASS)
        pen.polygon([(-0.7, 0.05), (0.7, 0.05), (0.74, 0.6), (-0.74, 0.6)], paint)
        pen.limb([(-0.35, 0.3), (0.35, 0.3)], 0.16, DARK)
        for side in (-1, 1):
            pen.ellipse(side * 0.55, 0.25, 0.12, 0.09, (250, 240, 190))
        return
    roof, boot = rng.uniform(-0.3, -0.1), rng.uniform(-0.75, -0.45)
    pen.polygon([(boot, 0.22), (boot + 0.25, roof), (0.2, roof), (0.5, 0.22)], dim)
    pen.polygon([(boot + 0.12, 0.2), (boot + 0.3, roof + 0.07), (-0.12, roof + 0.07), (-0.12, 0.2)], GLASS)
    pen.polygon([(-0.06, 0.2), (-0.06, roof + 0.07), (0.17, roof + 0.07), (0.38, 0.2)], GLASS)
    pen.polygon([(-0.95, 0.25), (0.45, 0.2), (0.9, 0.3), (0.97, 0.62), (-0.97, 0.62)], paint)
    pen.ellipse(0.9, 0.38, 0.06, 0.05, (250, 240, 190))
    _wheels(pen, (-0.55, 0.55), 0.2)


def _wheels(pen: Pen, xs: Sequence[float], r: float) -> None:
    for x in xs:
        pen.ellipse(x, 0.8 - r, r, r, DARK)
        pen.ellipse(x, 0.8 - r, r * 0.5, r * 0.5, (170, 170, 175))


def truck(pen: Pen, rng: np.random.Generator) -> None:
    """A cab in front of a load: box, tipper or flatbed; from the side, or from the front."""
    paint, load = pick(rng, PAINT), pick(rng, [*PAINT, LIGHT, (170, 140, 100)])
    kind = rng.random()
    if kind < 0.2:
        for side in (-1, 1):
            pen.limb([(side * 0.42, 0.5), (side * 0.42, 0.8)], 0.2, DARK)
        pen.polygon([(-0.6, -0.85), (0.6, -0.85), (0.6, 0.1), (-0.6, 0.1)], shade(load, 0.85))
        pen.polygon([(-0.55, -0.5), (0.55, -0.5), (0.58, 0.62), (-0.58, 0.62)], paint)
        pen.polygon([(-0.48, -0.42), (0.48, -0.42), (0.48, -0.02), (-0.48, -0.02)], GLASS)
        pen.limb([(-0.38, 0.25), (0.38, 0.25)], 0.24, DARK)
        for side in (-1, 1):
            pen.ellipse(side * 0.48, 0.45, 0.09, 0.08, (250, 240, 190))
        return
    cab = rng.uniform(-0.35, -0.1)
    pen.limb([(-0.95, 0.52), (0.9, 0.52)], 0.14, DARK)
    pen.polygon([(0.38, 0.58), (0.38, cab), (0.78, cab), (0.93, 0.15), (0.95, 0.58)], paint)
    pen.polygon([(0.5, 0.12), (0.5, cab + 0.08), (0.74, cab + 0.08), (0.85, 0.12)], GLASS)
    if kind < 0.65:
        high = rng.uniform(-0.6, -0.25)
        pen.polygon([(-0.97, high), (0.34, high), (0.34, 0.48), (-0.97, 0.48)], load)
        pen.limb([(-0.97, (high + 0.48) / 2), (0.34, (high + 0.48) / 2)], 0.1, shade(load, rng.uniform(0.6, 0.9)))
    else:
        side = rng.uniform(0.0, 0.2)
        pen.ellipse(-0.3, side + 0.05, 0.5, rng.uniform(0.05, 0.3), (120, 95, 65))
        pen.polygon([(-1.0, side), (0.34, side), (0.3, 0.48), (-0.92, 0.48)], shade(load, 0.85))
    _wheels(pen, pick(rng, [(-0.65, 0.62), (-0.7, -0.35, 0.62)]), 0.19)


def ship(pen: Pen, rng: np.random.Generator) -> None:
    """A hull with a raised bow, under superstructure and funnels, containers, or sails."""
    hull, kind = pick(rng, [*PAINT, (90, 60, 40)]), rng.random()
    deck = rng.uniform(0.15, 0.3)
    if kind < 0.35:
        sail, mast = pick(rng, [LIGHT, (235, 225, 200), (200, 60, 50), (240, 240, 245)]), (90, 65, 45)
        for x in pick(rng, [(0.0,), (-0.4, 0.3)]):
            pen.limb([(x, deck), (x, -0.95)], 0.05, mast)
            pen.polygon([(x + 0.05, -0.9), (x + 0.05, deck - 0.08), (x + 0.55, deck - 0.08)], sail)
            pen.polygon([(x - 0.05, -0.75), (x - 0.05, deck - 0.08), (x - 0.42, deck - 0.08)], shade(sail, 0.9))
    elif kind < 0.75:
        for level in range(int(rng.integers(1, 4))):
            y, inset = deck - 0.18 * (level + 1), 0.12 * level
            pen.polygon(
                [(-0.7 + inset, y), (0.45 - inset, y), (0.5 - inset, y + 0.19), (-0.7 + inset, y + 0.19)], LIGHT
            )
            pen.limb([(-0.6 + inset, y + 0.09), (0.4 - inset, y + 0.09)], 0.05, (70, 90, 120))
        for x in (-0.3, 0.0)[: int(rng.integers(1, 3))]:
            pen.limb([(x, deck - 0.5), (x - 0.05, y - 0.28), (x - 0.05, y - 0.3)], 0.15, pick(rng, PAINT))
    else:
        for x in np.arange(-0.45, 0.6, 0.21):
            for level in range(int(rng.integers(1, 4))):
                y = deck - 0.14 * level
                pen.polygon([(x, y), (x + 0.19, y), (x + 0.19, y - 0.13), (x, y - 0.13)], pick(rng, PAINT))
        pen.limb([(-0.7, deck), (-0.7, -0.35)], 0.24, LIGHT)
    pen.polygon([(-0.95, deck), (0.75, deck), (1.0, deck - 0.12), (0.75, 0.6), (-0.85, 0.6)], hull)
    pen.polygon([(-0.88, 0.5), (0.8, 0.5), (0.74, 0.62), (-0.84, 0.62)], shade(hull, 0.55))


FIGURES: dict[str, Callable[[Pen, np.random.Generator], None]] = {
    "airplane": airplane,
    "automobile": automobile,
    "bird": bird,
    "cat": cat,
    "deer": deer,
    "dog": dog,
    "frog": frog,
    "horse": horse,
    "ship": ship,
    "truck": truck,
}
