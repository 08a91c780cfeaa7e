"""Draw the images of an offline study: figures in front of backgrounds, in a style for each source.

An image depends only on (label, style, seed); another size only samples it differently. Styles differ as sources do:
`google` is clean, large and saturated; `bing` is cluttered and off center, with borders and watermarks; `teacher`
includes the looks of both; `generated` is soft and centered.
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

# class → the function that draws it
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
    """How the images of a source look. Fractions and probabilities are 0 to 1."""

    plain: float  # fraction of images with a plain background; the others show a scene
    fitting: float  # fraction of scenes that suit the class; the others are random
    scale: tuple[float, float]  # half the figure's width, as a fraction of the image's side
    shift: float  # largest distance of the figure from the center, as a fraction of the image's side
    turn: float  # standard deviation of the figure's rotation, radians
    clutter: tuple[int, int]  # smallest and largest number of distracting shapes behind the figure
    color: tuple[float, float]  # saturation, 1 = as drawn
    light: tuple[float, float]  # range of both brightness and contrast, 1 = as drawn
    overlays: float  # probability of a watermark, and that of a border
    noise: tuple[float, float]  # range of the standard deviation, gray levels
    blur: float  # probability of blur
    scenes: tuple[str, ...] = ()  # scenes that replace those that suit the class


STYLES = {
    "google": Style(0.40, 0.9, (0.37, 0.50), 0.07, 0.08, (0, 2), (0.9, 1.4), (0.9, 1.1), 0.05, (0, 5), 0.05),
    "bing": Style(0.15, 0.8, (0.35, 0.50), 0.09, 0.09, (1, 3), (0.6, 1.3), (0.8, 1.2), 0.35, (2, 10), 0.10),
    "teacher": Style(0.30, 0.85, (0.36, 0.50), 0.08, 0.08, (0, 2), (0.6, 1.4), (0.8, 1.2), 0.15, (0, 8), 0.08),
    "generated": Style(0.35, 0.9, (0.38, 0.46), 0.05, 0.05, (0, 2), (0.8, 1.3), (0.9, 1.1), 0.0, (0, 3), 0.60),
}

# class → scenes that suit it; similar classes share scenes, so that the background does not reveal the class
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
# scene → its colors above and below the horizon
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
    """Draw one image of a class.

    Args:
        label: one of `CLASSES`.
        style: one of `STYLES`.
        seed: any integer; another seed draws another image.
        size: pixels a side, at least 8.

    Returns:
        RGB, size x size.

    Raises:
        UserError: unknown label or style.
    """
    if label not in FIGURES:
        raise UserError(f"demo: class {label!r} cannot be drawn; choose one of {', '.join(CLASSES)}")
    if style not in STYLES:
        raise UserError(f"demo: style {style!r} is unknown; choose one of {', '.join(STYLES)}")
    return draw_in_style(label, STYLES[style], drawing_rng(label, style, seed), size)


def draw_in_style(label: str, style: Style, rng: np.random.Generator, size: int) -> Image.Image:
    """Draw one image of a class in any style, with random choices from `rng`; see `draw`."""
    side = 2 * size  # drawn twice as large and averaged, because Pillow's polygons have hard edges
    image = _background(label, style, rng, side)
    canvas = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(style.clutter[0], style.clutter[1] + 1))):
        _distraction(canvas, rng, side)
    pen = _pen(canvas, style, rng, side)
    if label not in ("airplane", "bird") and rng.random() < 0.6:
        pen.ellipse(0.0, 0.8, 0.85, 0.08, pick(rng, [(40, 40, 40), (70, 70, 65), (110, 110, 105)]))
    FIGURES[label](pen, rng)
    _add_overlays(canvas, style, rng, side)
    return _develop(image.reduce(2), style, rng)


def draw_set(classes: Sequence[str], style: str, count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a balanced set of images, each at twice its size and then resized as by curation.

    Args:
        classes: names; a label is an index into them.
        count: total number of images; if it does not divide evenly, the first classes get one more.
        style: one of `STYLES`.
        size: pixels a side.
        seed: sets with different seeds share no image.

    Returns:
        Pixels uint8 [count, size, size, 3] and labels int64 [count]; the classes take turns.
    """
    pixels = np.empty((count, size, size, 3), np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(classes)
    for row, label in enumerate(labels.tolist()):
        pixels[row] = to_square(draw(classes[label], style, seed * 1_000_003 + row, 2 * size), size)
    return pixels, labels


def drawing_rng(label: str, style: str, seed: int) -> np.random.Generator:
    """A separate generator for every (label, style, seed), from a hash that is the same in every process."""
    digest = hashlib.sha256(f"{label}/{style}/{seed}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def _pen(canvas: ImageDraw.ImageDraw, style: Style, rng: np.random.Generator, side: int) -> Pen:
    """A pen for one figure: random position, size, rotation and direction."""
    shift = rng.uniform(-style.shift, style.shift, 2)
    return Pen(
        canvas,
        center=(side * (0.5 + shift[0]), side * (0.5 + shift[1])),
        scale=side * rng.uniform(*style.scale),
        turn=rng.normal(0.0, style.turn),
        mirror=bool(rng.random() < 0.5),
        stretch=rng.uniform(0.75, 1.1),
    )


def _background(label: str, style: Style, rng: np.random.Generator, side: int) -> Image.Image:
    """A plain background, or a scene with a horizon."""
    if rng.random() < style.plain:
        high = _paper(rng)
        return _gradient(high, shade(high, rng.uniform(0.6, 1.0)), side, rng)
    scene = pick(rng, style.scenes or SUITS[label]) if rng.random() < style.fitting else pick(rng, tuple(SCENES))
    above, below = (_vary(color, rng) for color in SCENES[scene])
    if scene == "sky":
        return _gradient(above, below, side, rng)
    image = _gradient(shade(above, rng.uniform(0.75, 1.0)), above, side, rng)
    horizon = int(side * rng.uniform(0.4, 0.75))
    image.paste(_gradient(below, shade(below, rng.uniform(0.6, 0.95)), side, rng), (0, horizon))
    return image


def _paper(rng: np.random.Generator) -> Color:
    """The color of a plain background: white, or a light tint."""
    if rng.random() < 0.4:
        return 250, 250, 250
    gray = rng.uniform(120, 245)
    return _color(gray + rng.normal(0, 22, 3))


def _vary(color: Color, rng: np.random.Generator) -> Color:
    """A random color near another."""
    return _color(np.array(color) * rng.uniform(0.8, 1.15) + rng.normal(0, 14, 3))


def _color(values: np.ndarray) -> Color:
    """A color from floats [3], clipped to 0 to 255 and truncated to integers."""
    red, green, blue = (int(value) for value in np.clip(values, 0, 255))
    return red, green, blue


def _gradient(top: Color, bottom: Color, side: int, rng: np.random.Generator) -> Image.Image:
    """A gradient from top to bottom in uneven light, without which plain images would be near-duplicates."""
    lights = rng.uniform(0.65, 1.15, (2, 3, 1))
    corners = np.array([[top] * 3, [bottom] * 3]) * lights
    image = Image.fromarray(corners.clip(0, 255).astype(np.uint8))
    # drawn at half size, which loses nothing, because the whole image is halved later
    half = image.resize((side // 2, side // 2), Image.Resampling.BILINEAR)
    return half.resize((side, side), Image.Resampling.NEAREST)


def _distraction(canvas: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    """Draw a distracting shape of random color at a random place: a tree, a block, a pole or a blob."""
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


def _add_overlays(canvas: ImageDraw.ImageDraw, style: Style, rng: np.random.Generator, side: int) -> None:
    """Add a watermark and a border, each with the style's probability."""
    if rng.random() < style.overlays:
        tone = int(rng.integers(150, 256))
        spot = (side * rng.uniform(0, 0.5), side * rng.uniform(0.1, 0.9))
        canvas.text(spot, pick(rng, ["SAMPLE", "photo.example", "(c) stock"]), (tone,) * 3, font_size=side / 10)
    if rng.random() < style.overlays:
        width = int(side * rng.uniform(0.02, 0.07))
        canvas.rectangle(
            (0, 0, side - 1, side - 1), outline=pick(rng, [(255,) * 3, (20,) * 3, (200, 190, 170)]), width=width
        )


def _develop(image: Image.Image, style: Style, rng: np.random.Generator) -> Image.Image:
    """Change saturation, brightness and contrast, and add blur and noise, like a camera and its processing."""
    image = ImageEnhance.Color(image).enhance(rng.uniform(*style.color))
    if rng.random() < style.blur:
        image = image.filter(ImageFilter.BoxBlur(image.width / 96))
    brightness, contrast = rng.uniform(*style.light, 2)
    pixels = np.asarray(image, np.float32)
    noise = rng.uniform(*style.noise) * rng.standard_normal((image.height, image.width, 1), np.float32)
    pixels = pixels * np.float32(contrast) + (noise + np.float32(128 * (brightness - contrast)))
    return Image.fromarray(pixels.clip(0, 255, out=pixels).astype(np.uint8))
