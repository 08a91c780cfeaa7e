"""Draw the four vehicles among the ten classes: airplane, automobile, ship, truck.

They use the same coordinates as the animals (`animals.py`), with random proportions. Automobile and truck share colors
and are similar in shape, as are airplane and bird.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distillery_demo.pen import DARK, GLASS, LIGHT, PAINT, Pen, pick, shade


def airplane(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a straight fuselage, swept wings and a tail fin: from the side, or from above."""
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
    """Draw a low body with a rounded cabin in the middle: from the side, or from the front."""
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
    """Draw a cab in front of a box, tipper or flatbed: from the side, or from the front."""
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
        edge = rng.uniform(0.0, 0.2)
        pen.ellipse(-0.3, edge + 0.05, 0.5, rng.uniform(0.05, 0.3), (120, 95, 65))
        pen.polygon([(-1.0, edge), (0.34, edge), (0.3, 0.48), (-0.92, 0.48)], shade(load, 0.85))
    _wheels(pen, pick(rng, [(-0.65, 0.62), (-0.7, -0.35, 0.62)]), 0.19)


def ship(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a hull with a raised bow, and on it cabins and funnels, containers, or sails."""
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
