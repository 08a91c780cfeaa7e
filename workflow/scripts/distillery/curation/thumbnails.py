"""Thumbnails: small gray images, all that the search for near-duplicates reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from distillery.storage.arrays import map_array

THUMBNAIL_SIDE = 96  # pixels of the longer side: at 64, corners are found again in fewer copies
SHORTEST = 12  # pixels: a banner is stretched to no less


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails of N images.

    Attributes:
        pixels: uint8 [N, 96, 96]; an image is at the top left, the rest is 0.
        sizes: int [N, 2], height and width of each in pixels.
    """

    pixels: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> np.ndarray:
        """The thumbnail of one image: uint8 [H, W]."""
        height, width = self.sizes[index]
        return self.pixels[index, :height, :width]


def to_thumbnail(image: Image.Image) -> np.ndarray:
    """An image in gray, its longer side `THUMBNAIL_SIDE` pixels, or its own if that is less: uint8 [H, W]."""
    scale = min(1.0, THUMBNAIL_SIDE / max(image.size))
    width, height = (max(SHORTEST, round(side * scale)) for side in image.size)
    gray = image if image.mode == "L" else image.convert("L")
    # as many copies are found as with Lanczos, which takes twice as long
    return np.asarray(gray.resize((width, height), Image.Resampling.HAMMING, reducing_gap=2.0), dtype=np.uint8)


def stack_thumbnails(images: Sequence[np.ndarray]) -> Thumbnails:
    """One array of several thumbnails, each uint8 [H, W] of at most 96 x 96."""
    pixels = np.zeros((len(images), THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    for place, image in enumerate(images):
        pixels[place, : image.shape[0], : image.shape[1]] = image
    sizes = np.array([image.shape for image in images], dtype=np.int16).reshape(-1, 2)
    return Thumbnails(pixels, sizes)


def join_thumbnails(parts: Sequence[Thumbnails]) -> Thumbnails:
    """The thumbnails of several sources, one source after the other."""
    return Thumbnails(np.concatenate([part.pixels for part in parts]), np.concatenate([part.sizes for part in parts]))


def thumbnails_of(pixels: np.ndarray) -> Thumbnails:
    """Thumbnails of square color images, uint8 [N, S, S, 3]."""
    return stack_thumbnails([to_thumbnail(Image.fromarray(image)) for image in pixels])


def map_thumbnails(path: str | Path, sizes: np.ndarray) -> Thumbnails:
    """A source's thumbnails, as a memory map.

    Args:
        path: the `.thumbs.npy` that curation wrote.
        sizes: int [N, 2], height and width of each, from the curated table.

    Raises:
        UserError: the file is damaged; names it and says to delete it.
    """
    return Thumbnails(map_array(path, (len(sizes), THUMBNAIL_SIDE, THUMBNAIL_SIDE), "thumbnails"), sizes)
