"""Convert the colors of an image to sRGB by the profile in its file: the same color is then the same number everywhere.

A camera's or phone's wide-gamut image (Adobe RGB, Display P3) would otherwise look pale beside the others.
"""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
SPACES = {"RGB": "RGB ", "CMYK": "CMYK"}  # mode of an image → color space that its profile must have


def to_srgb(image: Image.Image) -> Image.Image:
    """An image in sRGB; unchanged if it has no profile, sRGB's own, or one that cannot be used.

    Args:
        image: loaded, with its profile among its `info`. RGB and RGBA keep their mode, CMYK becomes RGB.
    """
    profile = image.info.get("icc_profile")
    mode = "RGB" if image.mode == "RGBA" else image.mode
    if not isinstance(profile, bytes) or mode not in SPACES:
        return image
    transform = _transform(profile, mode)
    if transform is None:
        return image
    converted = ImageCms.applyTransform(image.convert(mode) if image.mode == "RGBA" else image, transform)
    if converted is None:  # it is None only for a conversion in place
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
