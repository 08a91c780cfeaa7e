"""Draw the six animals among the ten classes: bird, cat, deer, dog, frog, horse.

A figure faces right and is centered, within about [-1, 1] on both axes; y points down, and the ground is at y = 0.8.
Proportions are random, so that no two figures are alike. Cat and dog, deer and horse, airplane and bird differ only in
their characteristic features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from distillery_demo.pen import DARK, LIGHT, PAINT, Color, Pen, pick, shade

# colors overlap between similar classes, so that color alone does not reveal the class
CAT = [(110, 110, 115), (185, 120, 60), (215, 140, 60), (60, 55, 55), (225, 215, 200)]
DOG = [(150, 100, 60), (200, 160, 110), (225, 215, 200), (120, 75, 45), (60, 55, 55)]
DEER = [(185, 135, 85), (165, 110, 65), (150, 95, 55)]
HORSE = [(100, 60, 40), (70, 45, 35), (130, 85, 50), (50, 40, 40), (225, 215, 205)]
FEATHERS = [(120, 90, 60), (40, 40, 45), (60, 100, 170), (190, 60, 40), (210, 170, 60)]
SKIN = [(90, 150, 50), (70, 130, 45), (130, 150, 60), (110, 110, 55), (150, 180, 60)]


def legs(pen: Pen, rng: np.random.Generator, xs: Sequence[float], top: float, width: float, color: Color) -> None:
    """Draw legs from (x, top) down to the ground, with a random stride; every second one is far and darker."""
    stride = rng.uniform(-0.15, 0.15)
    for k, x in enumerate(xs):
        swing = stride * (1 if k % 2 else -1)
        knee = (x + swing * 0.3 + 0.03, (top + 0.8) / 2)
        pen.limb([(x, top), knee, (x + swing, 0.8)], width, shade(color, 0.75 if k % 2 else 0.95), width * 0.7)


def cat(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a round head with pointed ears, a long raised tail, short legs; sitting, walking, or only the face."""
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
    """Draw a muzzle and hanging ears, longer legs, a shorter tail; sitting, standing, or only the face."""
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
    """Draw a slender body, thin legs, an upright neck, antlers or large ears, a short tail with white below."""
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
    """Draw a heavy body, a thick arched neck with a mane, a long face, a long hanging tail."""
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
    """Draw a squat body, eyes on top of a wide head, folded hind legs; from the side or from the front."""
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
    """Draw a beak and feathers: perched with folded wings, or flying with raised ones."""
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
