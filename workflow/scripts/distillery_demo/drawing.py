"""Images for a study without a network: figures before backgrounds, in the manner of each source.

An image depends on (label, style, seed) alone and is the same at every size but for sampling. Styles differ as sources
do: `google` is clean, large and saturated; `bing` busy, off center, with borders and watermarks; `teacher` spans both;
`generated` is soft and centerd.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from distillery.curation.decoding import to_square
from distillery.jobs import UserError
from distillery_demo.animals import bird, cat, deer, dog, frog, horse
from distillery_demo.pen import PAINT, Color, Pen, pick, shade
from distillery_demo.vehicles import airplane, automobile, ship, truck

# the function that draws each class
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
CLASSES = tuple(FIGURES)  # CIFAR-10's, in its order


@dataclass(frozen=True)
class Style:
    """How a source's images look. Shares and probabilities are 0 to 1."""

    plain: float  # share of plain or gradient backgrounds, the rest are scenes
    fitting: float  # share of scenes that suit the class
    scale: tuple[float, float]  # half the figure's width over the image's side
    shift: float  # largest distance of the figure from the center, over the image's side
    turn: float  # standard deviation, radians
    clutter: tuple[int, int]  # fewest and most distracting shapes behind and before the figure
    color: tuple[float, float]  # saturation, 1 = as drawn
    light: tuple[float, float]  # brightness and contrast, 1 = as drawn
    marks: float  # probability of a watermark, and of a border
    noise: tuple[float, float]  # standard deviation, gray levels
    blur: float  # probability
    scenes: tuple[str, ...] = ()  # instead of those that suit the class


STYLES = {
    "google": Style(0.40, 0.9, (0.37, 0.50), 0.07, 0.08, (0, 2), (0.9, 1.4), (0.9, 1.1), 0.05, (0, 5), 0.05),
    "bing": Style(0.15, 0.8, (0.35, 0.50), 0.09, 0.09, (1, 3), (0.6, 1.3), (0.8, 1.2), 0.35, (2, 10), 0.10),
    "teacher": Style(0.30, 0.85, (0.36, 0.50), 0.08, 0.08, (0, 2), (0.6, 1.4), (0.8, 1.2), 0.15, (0, 8), 0.08),
    "generated": Style(0.35, 0.9, (0.38, 0.46), 0.05, 0.05, (0, 2), (0.8, 1.3), (0.9, 1.1), 0.0, (0, 3), 0.60),
}

# scenes that suit each class; neighbors share theirs, so that the background does not tell them apart
SUITS = {
    "airplane": ("sky", "sky", "road"),
    "bird": ("sky", "grass", "water"),
    "cat": ("indoor", "grass"),
    "dog": ("indoor", "grass"),
    "deer": ("grass", "wood"),
    "horse": ("grass", "sand"),
    "frog": ("grass", "water", "wood"),
    "automobile": ("road", "sand"),
    "truck": ("road", "sand"),
    "ship": ("water", "water", "sky"),
}
# above and below the horizon
SCENES: dict[str, tuple[Color, Color]] = {
    "sky": ((110, 165, 225), (200, 220, 240)),
    "grass": ((165, 200, 230), (95, 140, 60)),
    "water": ((180, 205, 225), (50, 100, 140)),
    "road": ((190, 200, 210), (110, 110, 115)),
    "sand": ((170, 195, 220), (205, 180, 135)),
    "wood": ((60, 85, 50), (95, 90, 50)),
    "indoor": ((205, 190, 165), (130, 95, 70)),
}


def draw(label: str, style: str, seed: int, size: int) -> Image.Image:
    """One image of a class.

    Args:
        label: one of `CLASSES`.
        style: one of `STYLES`.
        seed: any whole number; another seed is another image.
        size: pixels a side, at least 8.

    Returns:
        RGB, size x size.

    Raises:
        UserError: unknown label or style.
    """
    if label not in FIGURES:
        raise UserError(f"demo: nothing is drawn for class {label!r}; choose among {', '.join(CLASSES)}")
    if style not in STYLES:
        raise UserError(f"demo: style {style!r} is unknown; choose one of {', '.join(STYLES)}")
    return draw_in_style(label, STYLES[style], drawing_rng(label, style, seed), size)


def draw_in_style(label: str, look: Style, rng: np.random.Generator, size: int) -> Image.Image:
    """One image of a class in any style; see `draw`."""
    side = 2 * size  # drawn twice as large, then averaged: Pillow's polygons have hard edges
    image = _background(label, look, rng, side)
    canvas = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(look.clutter[0], look.clutter[1] + 1))):
        _distraction(canvas, rng, side)
    pen = _pen(canvas, look, rng, side)
    if label not in ("airplane", "bird") and rng.random() < 0.6:
        pen.ellipse(0.0, 0.8, 0.85, 0.08, pick(rng, [(40, 40, 40), (70, 70, 65), (110, 110, 105)]))
    FIGURES[label](pen, rng)
    _marks(canvas, look, rng, side)
    return _develop(image.reduce(2), look, rng)


def draw_set(classes: Sequence[str], style: str, count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A balanced set of images, each resized from a drawing of twice the size as curation would.

    Args:
        classes: names; a label is an index into them.
        count: how many in all; the first classes get one more where it does not divide.
        size: pixels a side.
        seed: sets of other seeds share no image.

    Returns:
        pixels uint8 [count, size, size, 3] and labels int64 [count], classes taking turns.
    """
    pixels = np.empty((count, size, size, 3), np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(classes)
    for row, label in enumerate(labels):
        pixels[row] = to_square(draw(classes[label], style, seed * 1_000_003 + row, 2 * size), size)
    return pixels, labels


def drawing_rng(label: str, style: str, seed: int) -> np.random.Generator:
    """A stream of its own for every (label, style, seed); Python's hash would change with every process."""
    digest = hashlib.sha256(f"{label}/{style}/{seed}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def _pen(canvas: ImageDraw.ImageDraw, look: Style, rng: np.random.Generator, side: int) -> Pen:
    shift = rng.uniform(-look.shift, look.shift, 2)
    return Pen(
        canvas,
        center=(side * (0.5 + shift[0]), side * (0.5 + shift[1])),
        scale=side * rng.uniform(*look.scale),
        turn=rng.normal(0.0, look.turn),
        mirror=bool(rng.random() < 0.5),
        stretch=rng.uniform(0.75, 1.1),
    )


def _background(label: str, look: Style, rng: np.random.Generator, side: int) -> Image.Image:
    if rng.random() < look.plain:
        high = _paper(rng)
        return _gradient(high, shade(high, rng.uniform(0.6, 1.0)), side, rng)
    scene = pick(rng, look.scenes or SUITS[label]) if rng.random() < look.fitting else pick(rng, tuple(SCENES))
    above, below = (_vary(color, rng) for color in SCENES[scene])
    if scene == "sky":
        return _gradient(above, below, side, rng)
    image = _gradient(shade(above, rng.uniform(0.75, 1.0)), above, side, rng)
    horizon = int(side * rng.uniform(0.4, 0.75))
    image.paste(_gradient(below, shade(below, rng.uniform(0.6, 0.95)), side, rng), (0, horizon))
    return image


def _paper(rng: np.random.Generator) -> Color:
    """White, or a light tint."""
    if rng.random() < 0.4:
        return 250, 250, 250
    gray = rng.uniform(120, 245)
    return tuple(int(c) for c in np.clip(gray + rng.normal(0, 22, 3), 0, 255))


def _vary(color: Color, rng: np.random.Generator) -> Color:
    return tuple(int(c) for c in np.clip(np.array(color) * rng.uniform(0.8, 1.15) + rng.normal(0, 14, 3), 0, 255))


def _gradient(top: Color, bottom: Color, side: int, rng: np.random.Generator) -> Image.Image:
    """From top to bottom under uneven light, without which plain images would be near-duplicates of each other."""
    lights = rng.uniform(0.65, 1.15, (2, 3, 1))
    corners = np.array([[top] * 3, [bottom] * 3]) * lights
    image = Image.fromarray(corners.clip(0, 255).astype(np.uint8))
    half = image.resize((side // 2, side // 2), Image.Resampling.BILINEAR)  # the image will be halved: no loss
    return half.resize((side, side), Image.Resampling.NEAREST)


def _distraction(canvas: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    """A tree, a block, a pole or a blob of any color, anywhere."""
    x, y = rng.uniform(0, side, 2)
    w, h = side * rng.uniform(0.03, 0.16, 2)
    color = _vary(pick(rng, [*PAINT, (70, 110, 50), (110, 85, 60), (170, 170, 165)]), rng)
    kind = rng.integers(4)
    if kind == 0:
        canvas.rectangle((x, y - 2 * h, x + w / 3, y + 2 * h), fill=(95, 75, 55))
        canvas.ellipse((x - w, y - 3 * h, x + 1.3 * w, y), fill=_vary((60, 105, 50), rng))
    elif kind == 1:
        canvas.rectangle((x - w, y - h, x + w, y + h), fill=color)
    elif kind == 2:
        canvas.line((x, y, x + 3 * w * math.cos(h), y + 3 * w * math.sin(h)), fill=color, width=max(1, side // 40))
    else:
        canvas.ellipse((x - w, y - h, x + w, y + h), fill=color)


def _marks(canvas: ImageDraw.ImageDraw, look: Style, rng: np.random.Generator, side: int) -> None:
    if rng.random() < look.marks:
        tone = int(rng.integers(150, 256))
        spot = (side * rng.uniform(0, 0.5), side * rng.uniform(0.1, 0.9))
        canvas.text(spot, pick(rng, ["SAMPLE", "photo.example", "(c) stock"]), (tone,) * 3, font_size=side / 10)
    if rng.random() < look.marks:
        width = int(side * rng.uniform(0.02, 0.07))
        canvas.rectangle(
            (0, 0, side - 1, side - 1), outline=pick(rng, [(255,) * 3, (20,) * 3, (200, 190, 170)]), width=width
        )


def _develop(image: Image.Image, look: Style, rng: np.random.Generator) -> Image.Image:
    """Saturation, brightness, contrast, blur and noise, as a camera and its processing would add."""
    image = ImageEnhance.Color(image).enhance(rng.uniform(*look.color))
    if rng.random() < look.blur:
        image = image.filter(ImageFilter.BoxBlur(image.width / 96))
    brightness, contrast = rng.uniform(*look.light, 2)
    pixels = np.asarray(image, np.float32)
    noise = rng.uniform(*look.noise) * rng.standard_normal((image.height, image.width, 1), np.float32)
    pixels = pixels * np.float32(contrast) + (noise + np.float32(128 * (brightness - contrast)))
    return Image.fromarray(pixels.clip(0, 255, out=pixels).astype(np.uint8))
