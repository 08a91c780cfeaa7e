"""Decode bytes of unknown origin to an upright RGB image, or reject them with a reason.

All sources go through the same steps and the same resampling, because a network could learn to recognize differences.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from distillery.curation.color_profiles import to_srgb
from distillery.curation.jpeg_scans import has_too_many_scans
from distillery.curation.png_chunks import without_needless_chunks

# no others: Pillow would run Ghostscript for EPS, for example
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
MAX_PIXELS = 50_000_000
# A JPEG may be decoded at reduced size, down to this many times the final side. The result differs slightly from
# Lanczos: on average over photographs by 0.2 gray levels (at most 1.3) at 8 times the final side, by 0.7 at 4 times,
# by 1.9 at 2 times.
OVERSAMPLING = 8
# Images of at least 6 times the final side are first averaged in whole blocks, down to 3 times, before Lanczos. Pixels
# differ by 0.3 gray levels on average.
REDUCING_GAP = 3.0
MIN_DECODED_SIDE = 32  # pixels; smallest final side for `OVERSAMPLING`, as the thumbnails of 96 pixels need detail too
BLANK_SIDE = 32  # pixels; smallest side of the reduced image whose deviation is measured
BLANK_DEVIATION = 2.0  # gray levels of 255; an image with a smaller standard deviation counts as blank


class Rejected(Exception):
    """Raised if an image cannot be used. The message is the reason in the curated table."""


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        image: upright, RGB, with transparency over white.
        gray: the same in gray, mode L.
        format: of the file.
        width, height: of the file, in pixels.
    """

    image: Image.Image
    gray: Image.Image
    format: str
    width: int
    height: int


def decode(data: bytes, min_side: int = 1, side: int = 0) -> DecodedImage:
    """Decode the first frame of an image completely.

    Args:
        data: in one of `FORMATS`.
        min_side: pixels; images whose shorter side is smaller are rejected.
        side: the final side in pixels, to which the caller will resize. A JPEG is then decoded at a half, quarter or
            eighth of its size if at least `OVERSAMPLING` times the final side remains. 0 decodes at full size.

    Raises:
        Rejected: the image is broken, truncated, in another format, too small, blank, or has more than `MAX_PIXELS`
            pixels or `MAX_SCANS` scans.
    """
    if has_too_many_scans(data):
        raise Rejected("too many scans")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings of tags and profiles that Pillow skips
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(without_needless_chunks(data)), formats=FORMATS) as image:
                format, (width, height) = image.format or "", image.size
                if width * height > MAX_PIXELS:
                    raise Rejected("too many pixels")
                if min(width, height) < min_side:
                    raise Rejected("too small")
                if side and format == "JPEG":
                    image.draft(None, (OVERSAMPLING * max(side, MIN_DECODED_SIDE),) * 2)
                image.load()  # verify() would accept a truncated JPEG
                decoded = to_rgb(to_srgb(upright(image)))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Rejected("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise Rejected("not an image") from None
    # Pillow raises SyntaxError for a bad PNG checksum, and struct and index errors for some truncated headers
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, struct.error):
        raise Rejected("broken") from None
    # raised for some damaged TIFF, AVIF and JPEG 2000 files
    except (RuntimeError, LookupError, ArithmeticError, MemoryError):
        raise Rejected("broken") from None
    gray = decoded.convert("L")
    if _is_blank(gray):
        raise Rejected("blank")
    return DecodedImage(decoded, gray, format, width, height)


def can_be_decoded(data: bytes) -> bool:
    """Whether `decode` accepts these bytes."""
    try:
        decode(data)
    except Rejected:
        return False
    return True


def _is_blank(gray: Image.Image) -> bool:
    """Whether the center square of an image is flat except for noise."""
    box = _center_box(gray.size)
    reduced = gray.reduce(max(1, min(gray.size) // BLANK_SIDE), box)
    return float(np.asarray(reduced).std()) < BLANK_DEVIATION


# EXIF orientation → the operation that turns the image upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> Image.Image:
    """Turn a loaded image by its EXIF orientation; unchanged if that cannot be read.

    `ImageOps.exif_transpose` is not used: it rewrites the whole EXIF block and fails if any entry is malformed.
    """
    try:
        turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged block can raise many types of errors, but the pixels are intact
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB: 16-bit gray is scaled, not clipped; transparency is composited over white.

    Floating-point values, as in some TIFF files, count from 0 to 1 if none is larger than 1, else from 0 to 255.
    """
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        scale = 255 if values.max(initial=0) <= 1 else 1
        return Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode.startswith("I"):
        gray = np.asarray(image, dtype=np.float64)
        return Image.fromarray((gray / 65535 * 255).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def center(image: Image.Image) -> Image.Image:
    """The center square of an image, which is the part that networks see."""
    return image if image.width == image.height else image.crop(_center_box(image.size))


def _center_box(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the center square of an image with this width and height."""
    width, height = size
    short = min(size)
    left, top = (width - short) // 2, (height - short) // 2
    return left, top, left + short, top + short


def to_square(image: Image.Image, side: int) -> np.ndarray:
    """The center square of an RGB image, resized with antialiasing (Lanczos).

    Returns:
        uint8 [side, side, 3].
    """
    # crop first, because with the argument `box` of resize the filter would read pixels outside the square
    square = center(image).resize((side, side), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    return np.asarray(square, dtype=np.uint8)
