"""Convert an image to sRGB by the color profile in its file, so that equal colors have equal values in all images.

Otherwise wide-gamut images of cameras and phones (Adobe RGB, Display P3) would look pale.
"""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
SPACES = {"RGB": "RGB ", "CMYK": "CMYK"}  # mode of an image → color space that its profile must have


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image to sRGB. It stays unchanged if it has no profile, an sRGB profile, or one that cannot be used.

    Args:
        image: loaded, with its profile in `info`. RGB and RGBA keep their mode; CMYK becomes RGB.
    """
    profile = image.info.get("icc_profile")
    mode = "RGB" if image.mode == "RGBA" else image.mode
    if not isinstance(profile, bytes) or mode not in SPACES:
        return image
    transform = _transform(profile, mode)
    if transform is None:
        return image
    converted = ImageCms.applyTransform(image.convert(mode) if image.mode == "RGBA" else image, transform)
    if converted is None:  # never here: only a conversion in place returns None
        return image
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


@lru_cache(maxsize=32)  # a folder's images often have the same profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The conversion from a profile to sRGB; None if there is nothing to convert."""
    try:
        known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        about = known.profile
        if about.xcolor_space != SPACES[mode] or "srgb" in (about.profile_description or "").lower():
            return None
        return ImageCms.buildTransform(known, SRGB, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None
