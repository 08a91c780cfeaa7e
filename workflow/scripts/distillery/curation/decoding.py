"""Decode bytes of unknown origin to an upright RGB image, or reject them with a reason.

Every source goes through the same steps and the same resampler: a network could learn a difference in resampling.
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

# nothing else: EPS would run Ghostscript
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
MAX_PIXELS = 50_000_000
# decoding a JPEG at reduced size differs slightly from Lanczos: by 0.2 gray levels in the mean over photographs (1.3 at
# most) if decoded at 8 times the final side, by 0.7 at 4 times, by 1.9 at 2 times
OVERSAMPLING = 8
# an image of at least 6 times the final side is averaged in whole blocks before Lanczos, down to 3 times: pixels differ
# by 0.3 gray levels in the mean
REDUCING_GAP = 3.0
MIN_DECODED_SIDE = 32  # pixels: thumbnails of 96 pixels are made of the decoded image, too
BLANK_SIDE = 32  # pixels at least of the reduced image that tells whether it is blank
BLANK_DEVIATION = 2.0  # gray levels of 255; flatter images have nothing to compare


class Rejected(Exception):
    """An image cannot be used; the message is the reason that the tables record."""


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image: upright, RGB, alpha over white; and the same in gray, L.

    Format, width and height (pixels) are those of the file.
    """

    image: Image.Image
    gray: Image.Image
    format: str
    width: int
    height: int


def decode(data: bytes, min_side: int = 1, side: int = 0) -> DecodedImage:
    """Decode the first frame of an image, to its last byte.

    Args:
        data: in one of `FORMATS`.
        min_side: pixels; images with a shorter side are rejected.
        side: the final side in pixels, to which the caller will resize. A JPEG is then decoded at a half, quarter or
            eighth of its size if that leaves at least `OVERSAMPLING` times the final side. 0 decodes at full size.

    Raises:
        Rejected: broken, truncated, of another format, over 50 million pixels or 100 scans, too small, or blank.
    """
    if has_too_many_scans(data):
        raise Rejected("too many scans")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags and profiles that Pillow skips
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(without_needless_chunks(data)), formats=FORMATS) as image:
                format, (width, height) = image.format or "", image.size
                if width * height > MAX_PIXELS:
                    raise Rejected("too many pixels")
                if min(width, height) < min_side:
                    raise Rejected("too small")
                if side and format == "JPEG":
                    image.draft(None, (OVERSAMPLING * max(side, MIN_DECODED_SIDE),) * 2)
                image.load()  # verify() would accept half a JPEG
                decoded = to_rgb(to_srgb(upright(image)))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Rejected("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise Rejected("not an image") from None
    # Pillow raises SyntaxError for a bad PNG checksum, and struct and index errors for some truncated headers
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, struct.error):
        raise Rejected("broken") from None
    except (RuntimeError, LookupError, ArithmeticError, MemoryError):  # of damaged TIFF, AVIF and JPEG 2000 files
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
    """Whether the center square of an image is flat, but for noise."""
    box = _center_box(gray.size)
    reduced = gray.reduce(max(1, min(gray.size) // BLANK_SIDE), box)
    return float(np.asarray(reduced).std()) < BLANK_DEVIATION


# the operation that turns an image upright, by its EXIF orientation
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
    """A loaded image turned by its EXIF orientation, or unchanged if that cannot be read.

    `ImageOps.exif_transpose` would rewrite the whole EXIF block, and fails if any entry of it is malformed.
    """
    try:
        turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged block raises errors of struct, Pillow and Python; the pixels are intact
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: 16-bit gray is scaled, not clipped; alpha is composited over white.

    Numbers with a fraction, which a TIFF may hold, count from 0 to 1 if they all are, else from 0 to 255.
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
    """The center square of an image, the part that a network sees."""
    return image if image.width == image.height else image.crop(_center_box(image.size))


def _center_box(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the center square, of width and height."""
    width, height = size
    short = min(size)
    left, top = (width - short) // 2, (height - short) // 2
    return left, top, left + short, top + short


def to_square(image: Image.Image, side: int) -> np.ndarray:
    """The center square of an RGB image, resized with antialiasing (Lanczos).

    Returns:
        uint8 [side, side, 3].
    """
    # cropped first: with resize's own box the filter would read pixels outside the square
    square = center(image).resize((side, side), Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    return np.asarray(square, dtype=np.uint8)
