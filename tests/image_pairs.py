"""Near-duplicates among a few images, for tests."""

from distillery.curation.duplicates.near_duplicates import find_near_duplicates, fingerprints_of
from distillery.curation.thumbnails import stack_thumbnails, to_thumbnail


def near_pairs_of(images):
    """Pairs of indices of near-duplicates, int64 [P, 2]."""
    thumbnails = stack_thumbnails([to_thumbnail(image) for image in images])
    return find_near_duplicates(thumbnails, fingerprints_of(thumbnails)).pairs
