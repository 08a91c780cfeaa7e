"""Estimate the memory that a job requests from a cluster, if it depends on the number of images."""

from __future__ import annotations

import math

LEAST_MB = 8000  # for a job that searches for near-duplicates, however few images there are
IMAGE_BYTES = 50_000  # per image: thumbnail, corners and their matches; 43,000 were measured with 70,000 images
THUMBNAIL_BYTES = 96 * 96  # per image in a file of thumbnails


def memory_of_search(files_mb: float, image_bytes: int = THUMBNAIL_BYTES) -> int:
    """The memory for a search for near-duplicates, in megabytes.

    Args:
        files_mb: size in megabytes of the files with the images, which may be in memory twice.
        image_bytes: size of one image in these files, in bytes.
    """
    return max(LEAST_MB, math.ceil(files_mb * (2 + IMAGE_BYTES / image_bytes)))
