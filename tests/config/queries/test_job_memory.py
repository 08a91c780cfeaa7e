"""The memory that jobs request from a cluster."""

import numpy as np

from distillery.config.queries.job_memory import LEAST_MB, THUMBNAIL_BYTES, memory_of_search
from distillery.curation.thumbnails import stack_thumbnails


def test_a_thumbnail_has_the_size_that_is_counted_with():
    assert stack_thumbnails([np.zeros((20, 30), np.uint8)]).pixels.nbytes == THUMBNAIL_BYTES


def test_memory_grows_with_the_images_whatever_their_size():
    assert memory_of_search(0) == memory_of_search(100) == LEAST_MB
    half_a_million = 500_000 * THUMBNAIL_BYTES / 1e6
    assert 25_000 < memory_of_search(half_a_million) < 40_000  # 20 GB were measured
    small, large = (memory_of_search(500_000 * 3 * side**2 / 1e6, 3 * side**2) for side in (32, 96))
    assert 25_000 < small < large < 60_000  # the larger images themselves
