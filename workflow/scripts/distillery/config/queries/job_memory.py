"""How much memory a job asks a cluster for, where that grows with the number of images."""

from __future__ import annotations

import math

LEAST_MB = 8000  # of a job that searches near-duplicates
IMAGE_BYTES = 50_000  # thumbnail, corners and their matches; 43,000 were measured with 70,000 images
THUMBNAIL_BYTES = 96 * 96


def memory_of_search(files_mb: float, image_bytes: int = THUMBNAIL_BYTES) -> int:
    """Megabytes for a search of near-duplicates.

    Args:
        files_mb: size of the files that hold the images, which are read whole, twice at the worst.
        image_bytes: of one image there.
    """
    return max(LEAST_MB, math.ceil(files_mb * (2 + IMAGE_BYTES / image_bytes)))
