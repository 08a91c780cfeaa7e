"""Make thumbnails: small gray images, from which near-duplicates are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from distillery.storage.arrays import map_array

THUMBNAIL_SIDE = 96  # longer side in pixels; at 64, fewer corners are found again in copies of an image
SHORTEST = 12  # shorter side in pixels, at least; narrower images are stretched to it


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails of N images.

    Attributes:
        pixels: uint8 [N, 96, 96]; each thumbnail is at the top left, the rest is 0.
        sizes: int [N, 2], height and width of each thumbnail in pixels.
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
    """The thumbnail of an image: gray, with a longer side of at most `THUMBNAIL_SIDE` pixels, uint8 [H, W]."""
    scale = min(1.0, THUMBNAIL_SIDE / max(image.size))
    width, height = (max(SHORTEST, round(side * scale)) for side in image.size)
    gray = image if image.mode == "L" else image.convert("L")
    # near-duplicates are found as well as with Lanczos, which takes twice as long
    return np.asarray(gray.resize((width, height), Image.Resampling.HAMMING, reducing_gap=2.0), dtype=np.uint8)


def stack_thumbnails(images: Sequence[np.ndarray]) -> Thumbnails:
    """Stack thumbnails, each uint8 [H, W] of at most 96 x 96 pixels."""
    pixels = np.zeros((len(images), THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8)
    for place, image in enumerate(images):
        pixels[place, : image.shape[0], : image.shape[1]] = image
    sizes = np.array([image.shape for image in images], dtype=np.int16).reshape(-1, 2)
    return Thumbnails(pixels, sizes)


def join_thumbnails(parts: Sequence[Thumbnails]) -> Thumbnails:
    """Concatenate the thumbnails of several sources, in order."""
    return Thumbnails(np.concatenate([part.pixels for part in parts]), np.concatenate([part.sizes for part in parts]))


def thumbnails_of(pixels: np.ndarray) -> Thumbnails:
    """Thumbnails of square color images, uint8 [N, S, S, 3]."""
    return stack_thumbnails([to_thumbnail(Image.fromarray(image)) for image in pixels])


def map_thumbnails(path: str | Path, sizes: np.ndarray) -> Thumbnails:
    """A source's thumbnails as a memory map.

    Args:
        path: the `.thumbs.npy` that curation wrote.
        sizes: int [N, 2], height and width of each, from the curated table.

    Raises:
        UserError: the file is damaged. The message says to delete it.
    """
    return Thumbnails(map_array(path, (len(sizes), THUMBNAIL_SIDE, THUMBNAIL_SIDE), "thumbnails"), sizes)
