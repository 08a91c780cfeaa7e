"""From bytes of unknown origin to an upright RGB image, or the reason why not.

Every source goes through the same steps and the same resampler, since a difference in resampling can be trained.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # nothing else: EPS would run Ghostscript
MAX_PIXELS = 50_000_000
# a JPEG's own reduction differs from Lanczos's a little: decoded at 8 times the final side, the result differs by 0.2
# gray levels in the mean of photographs (1.3 at most), at 4 times by 0.7, at twice by 1.9
OVERSAMPLING = 8
LEAST_SIDE = 32  # pixels; what the perceptual hash sees
BLANK_DEVIATION = 2.0  # gray levels of 255; flatter images have colliding perceptual hashes


class Rejected(Exception):
    """An image that cannot be used; the message is the reason as it stands in the tables."""


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image: upright, RGB, alpha over white; `format` and size in pixels as they were in the file."""

    image: Image.Image
    format: str
    width: int
    height: int


def decode(data: bytes, min_side: int = 1, side: int = 0) -> DecodedImage:
    """Decode the first frame of an image completely.

    Args:
        data: a JPEG, PNG, WebP, GIF or BMP.
        min_side: pixels; an image whose shorter side is less is rejected.
        side: pixels that the image will be reduced to in the end; then a JPEG is decoded at a half, quarter or eighth
            of its size if that leaves `OVERSAMPLING` times as many. 0 for the whole image.

    Raises:
        Rejected: broken, truncated, of another format, over 50 million pixels, too small, or blank.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                kind, (width, height) = image.format, image.size
                if width * height > MAX_PIXELS:
                    raise Rejected("too many pixels")
                if min(width, height) < min_side:
                    raise Rejected("too small")
                if side and kind == "JPEG":
                    image.draft(None, (OVERSAMPLING * max(side, LEAST_SIDE),) * 2)
                image.load()  # verify() would pass half a JPEG
                decoded = to_rgb(upright(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Rejected("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise Rejected("not an image") from None
    # Pillow raises SyntaxError for a bad PNG checksum, and struct and index errors for some truncated headers
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, struct.error):
        raise Rejected("broken") from None
    if np.asarray(center(decoded).convert("L"), dtype=np.float32).std() < BLANK_DEVIATION:
        raise Rejected("blank")
    return DecodedImage(decoded, kind, width, height)


# what turns an image upright, by its EXIF orientation
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> Image.Image:
    """A loaded image as its EXIF orientation says, as it stands if that cannot be read.

    `ImageOps.exif_transpose` would write all of the EXIF again, and fails where one entry of it is odd.
    """
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # a damaged block raises struct's, Pillow's and plain errors; the pixels are whole
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of any mode: 16-bit gray is scaled rather than clipped, alpha is laid over white."""
    if image.mode.startswith("I"):
        gray = np.asarray(image, dtype=np.float64)
        return Image.fromarray((gray / 65535 * 255).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def center(image: Image.Image) -> Image.Image:
    """The center square of an image: all that a network sees of it."""
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    return image.crop((left, top, left + short, top + short))


def to_square(image: Image.Image, side: int) -> np.ndarray:
    """The center square of an RGB image, resized with antialiasing (Lanczos).

    Returns:
        uint8 [side, side, 3].
    """
    # cropped first: resizing with a box would let the filter see pixels outside it
    return np.asarray(center(image).resize((side, side), Image.Resampling.LANCZOS), dtype=np.uint8)
