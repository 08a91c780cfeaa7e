"""Draw images that are not photos: clip art, sketches, icons, pages of text, screenshots, collages.

They train and test `distillery.curation.kinds`. Some are made from photos that the caller passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from distillery_demo.drawing import CLASSES, Style, draw, draw_in_style
from distillery_demo.pen import PAINT, pick

WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which"
    " one you were her all she there would their we him been has when who will more no if out so said what up its about"
    " into than them can only other new some could time these two may then do first any my now such like our over man"
).split()
FLAT = Style(1.0, 0.0, (0.3, 0.45), 0.05, 0.05, (0, 0), (0.9, 1.5), (0.95, 1.1), 0.0, (0, 0), 0.0)
WHITE = (255, 255, 255)


def draw_kind(kind: str, rng: np.random.Generator, photos: Sequence[Image.Image]) -> Image.Image:
    """Draw an image of a kind.

    Args:
        kind: drawing, icon, text, screenshot or collage.
        rng: generator for all random choices.
        photos: RGB images to make cartoons, sketches and collages from.

    Returns:
        RGB, 100 to 500 pixels a side.
    """
    maker = {"drawing": _drawing, "icon": _icon, "text": _text, "screenshot": _screenshot, "collage": _collage}[kind]
    return maker(rng, photos)


def _drawing(rng: np.random.Generator, photos: Sequence[Image.Image]) -> Image.Image:
    way = rng.random()
    size = int(rng.integers(120, 400))
    if way < 0.15:
        return draw(pick(rng, CLASSES), pick(rng, ("google", "teacher", "bing")), int(rng.integers(1 << 30)), size)
    if way < 0.3:
        return draw_in_style(pick(rng, CLASSES), FLAT, rng, size)
    photo = _enlarged(photos[int(rng.integers(len(photos)))], int(rng.integers(160, 400)))
    if way < 0.7:
        return cartoon(photo, int(rng.integers(4, 20)), is_outlined=rng.random() < 0.6)
    return sketch(photo, is_pencil=rng.random() < 0.5)


def cartoon(photo: Image.Image, colors: int, is_outlined: bool) -> Image.Image:
    """A photo reduced to flat areas of a number of colors, with or without dark outlines."""
    pixels = np.asarray(photo)
    for _ in range(3):
        pixels = cv2.bilateralFilter(pixels, 7, 40, 7)
    flat = Image.fromarray(cv2.medianBlur(pixels, 5)).quantize(colors, dither=Image.Dither.NONE).convert("RGB")
    if not is_outlined:
        return flat
    return Image.fromarray(np.where(_outlines(pixels)[:, :, None], 20, np.asarray(flat)).astype(np.uint8))


def sketch(photo: Image.Image, is_pencil: bool) -> Image.Image:
    """A photo as dark lines on white, as by a pen, or by a pencil with some shading."""
    gray = cv2.cvtColor(np.asarray(photo), cv2.COLOR_RGB2GRAY)
    if is_pencil:
        blurred = cv2.GaussianBlur(gray, (0, 0), 6).astype(np.float32)
        lines = np.clip(gray / np.maximum(blurred, 1) * 255, 0, 255)
    else:
        lines = np.where(_outlines(np.asarray(photo)), 20, 255)
    return Image.fromarray(lines.astype(np.uint8)).convert("RGB")


def _outlines(pixels: np.ndarray) -> np.ndarray:
    """A mask of the outlines in an image uint8 [H, W, 3]: bool [H, W]."""
    gray = cv2.medianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 5)
    return cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 6) == 0


def _icon(rng: np.random.Generator, photos: Sequence[Image.Image]) -> Image.Image:
    """Some flat shapes and letters on one color."""
    size = int(rng.integers(100, 300))
    image = Image.new("RGB", (2 * size, 2 * size), WHITE if rng.random() < 0.6 else _color(rng))
    canvas = ImageDraw.Draw(image)
    if rng.random() < 0.5:
        margin = float(rng.uniform(0.05, 0.3)) * 2 * size
        box = (margin, margin, 2 * size - margin, 2 * size - margin)
        if rng.random() < 0.5:
            canvas.ellipse(box, fill=_color(rng))
        else:
            canvas.rounded_rectangle(box, radius=0.2 * size, fill=_color(rng))
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.4:
            canvas.text(
                (size, size), pick(rng, WORDS)[0].upper(), _color(rng), _font(int(size * rng.uniform(0.5, 1.4))), "mm"
            )
        else:
            turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
            reach = rng.uniform(0.2, 0.7) * size * rng.uniform(0.5, 1, len(turns))
            corners = np.stack([size + reach * np.cos(turns), size + reach * np.sin(turns)], axis=1)
            canvas.polygon([tuple(point) for point in corners.tolist()], fill=_color(rng))
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _text(rng: np.random.Generator, photos: Sequence[Image.Image]) -> Image.Image:
    """A page, slide or sign: words of one color on another."""
    width, height = (int(side) for side in rng.integers(200, 500, 2))
    is_dark = rng.random() < 0.25
    paper, ink = (_shade(rng, 0, 60), _shade(rng, 200, 256)) if is_dark else (_shade(rng, 215, 256), _shade(rng, 0, 90))
    image = Image.new("RGB", (width, height), paper)
    write(
        ImageDraw.Draw(image),
        (0.06 * width, 0.06 * height, 0.94 * width, 0.94 * height),
        int(rng.integers(9, 40)),
        ink,
        rng,
    )
    return image


def write(
    canvas: ImageDraw.ImageDraw, box: tuple[float, float, float, float], size: int, ink: tuple[int, int, int],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Fill a box (left, top, right, bottom; pixels) with lines of random words, `size` pixels high."""
    left, top, right, bottom = box
    font, y = _font(size), top
    while y + size < bottom:
        end = right if rng.random() < 0.8 else left + rng.uniform(0.2, 1) * (right - left)
        line = ""
        while font.getlength(longer := f"{line} {pick(rng, WORDS)}") < end - left:
            line = longer
        canvas.text((left, y), line, ink, font)
        y += size * 1.35


def _screenshot(rng: np.random.Generator, photos: Sequence[Image.Image]) -> Image.Image:
    """A window with bars, buttons and lines of text, in half of the images with a photo."""
    width, height = int(rng.integers(300, 500)), int(rng.integers(200, 500))
    is_dark = rng.random() < 0.3
    paper, ink = (
        (_shade(rng, 15, 50), _shade(rng, 190, 250)) if is_dark else (_shade(rng, 235, 256), _shade(rng, 20, 80))
    )
    image = Image.new("RGB", (width, height), paper)
    canvas = ImageDraw.Draw(image)
    bar, side = int(rng.integers(14, 44)), int(rng.integers(0, width // 3))
    canvas.rectangle((0, bar, side, height), fill=_shade(rng, 30, 70) if is_dark else _shade(rng, 215, 245))
    canvas.rectangle((0, 0, width, bar), fill=_color(rng) if rng.random() < 0.6 else _shade(rng, 180, 240))
    for place in range(int(rng.integers(1, 6))):
        x = width - 20 * (place + 1)
        canvas.rectangle((x, bar * 0.25, x + 12, bar * 0.75), fill=_color(rng))
    write(canvas, (6, bar + 8, max(side - 6, 7), height), 11, ink, rng)
    top = bar + 10
    if rng.random() < 0.5:
        photo = photos[int(rng.integers(len(photos)))].copy()
        photo.thumbnail((int((width - side) * 0.8), int((height - bar) * 0.6)))
        image.paste(photo, (side + 12, top))
        top += photo.height + 10
    write(canvas, (side + 12, top, width - 12, height - 6), int(rng.integers(9, 18)), ink, rng)
    return image


def _collage(rng: np.random.Generator, photos: Sequence[Image.Image]) -> Image.Image:
    """Several photos side by side, with or without gaps and captions."""
    columns, rows = (int(count) for count in rng.integers(1, 5, 2))
    if columns * rows < 3:
        columns, rows = 2, 2
    tile, gap = int(rng.integers(70, 140)), int(rng.choice([0, 0, 3, 8]))
    caption = 12 if gap and rng.random() < 0.4 else 0
    ground = WHITE if rng.random() < 0.7 else _color(rng)
    step = tile + gap
    image = Image.new("RGB", (columns * step + gap, rows * (step + caption) + gap), ground)
    canvas = ImageDraw.Draw(image)
    for place in range(columns * rows):
        x, y = gap + place % columns * step, gap + place // columns * (step + caption)
        photo = _enlarged(photos[int(rng.integers(len(photos)))], tile)
        short = min(photo.size)
        image.paste(photo.crop((0, 0, short, short)).resize((tile, tile)), (x, y))
        if caption:
            canvas.text((x + tile / 2, y + tile + caption / 2), pick(rng, WORDS), (30, 30, 120), _font(10), "mm")
    return image


def _enlarged(photo: Image.Image, side: int) -> Image.Image:
    """A photo resized so that its longer side has `side` pixels."""
    scale = side / max(photo.size)
    return photo.resize(
        (max(8, round(photo.width * scale)), max(8, round(photo.height * scale))), Image.Resampling.LANCZOS
    )


def _color(rng: np.random.Generator) -> tuple[int, int, int]:
    return tuple(rng.integers(0, 256, 3).tolist()) if rng.random() < 0.6 else pick(rng, PAINT)


def _shade(rng: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    """A gray with a little color."""
    return tuple(np.clip(rng.integers(low, high) + rng.integers(-8, 9, 3), 0, 255).tolist())


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    matplotlib = find_spec("matplotlib")
    assert matplotlib is not None and matplotlib.origin is not None
    return ImageFont.truetype(Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)
