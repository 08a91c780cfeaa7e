"""The fast search for near-duplicates finds exactly the pairs that comparing all pairs finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from distillery.curation import duplicates
from distillery.curation.duplicates import (
    connected_groups,
    first_near_duplicates,
    near_duplicate_pairs,
    near_hash_pairs,
    near_matches,
    perceptual_hashes,
)


def every_pair(hashes, distance):
    return [
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]


@st.composite
def clustered_hashes(draw):
    """Random hashes, and copies of them with a few bits flipped."""
    hashes = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8))
    for flips in draw(st.lists(st.lists(st.integers(0, 63), max_size=17), max_size=12)):
        copy = hashes[draw(st.integers(0, len(hashes) - 1))]
        for bit in flips:
            copy ^= 1 << bit
        hashes.append(copy)
    return np.array(hashes, dtype=np.uint64)


@given(clustered_hashes(), st.integers(0, 15))
def test_near_hash_pairs_are_all_pairs_within_the_distance(hashes, distance):
    assert [tuple(pair) for pair in near_hash_pairs(hashes, distance)] == every_pair(hashes, distance)


@given(clustered_hashes(), st.integers(0, 15), st.integers(1, 9))
def test_the_block_size_changes_nothing(hashes, distance, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "BLOCK", block)
        assert [tuple(pair) for pair in near_hash_pairs(hashes, distance)] == every_pair(hashes, distance)


@given(clustered_hashes(), clustered_hashes(), st.integers(0, 15))
def test_near_matches_gives_every_pair_and_each_hash_once_a_part(hashes, others, distance):
    others = np.concatenate([others, hashes[:3]])
    parts = [
        list(zip(here.tolist(), other.tolist(), strict=True)) for here, other in near_matches(hashes, others, distance)
    ]
    assert all(len({here for here, _ in part}) == len(part) for part in parts)
    expected = {
        (i, j)
        for i, one in enumerate(hashes.tolist())
        for j, other in enumerate(others.tolist())
        if (one ^ other).bit_count() <= distance
    }
    assert {pair for part in parts for pair in part} == expected


@given(clustered_hashes(), st.integers(0, 15), st.randoms(use_true_random=False))
def test_first_near_duplicates_agrees_with_a_search_of_all_pairs(hashes, distance, random):
    views = hashes[: len(hashes) // 2 * 2].reshape(-1, 2)[random.sample(range(len(hashes) // 2), len(hashes) // 2)]
    kind = np.array([random.randrange(3) for _ in views], dtype=int)
    both = [[int(view) for view in pair] for pair in views]
    expected = [
        next(
            (
                j
                for j in range(len(views))
                if kind[j] != kind[i] and any((a ^ b).bit_count() <= distance for a in both[i] for b in both[j])
            ),
            len(views),
        )
        for i in range(len(views))
    ]
    assert first_near_duplicates(views, kind, distance).tolist() == expected


def test_no_hashes_give_no_pairs():
    nothing = np.empty(0, dtype=np.uint64)
    assert near_hash_pairs(nothing, 8).shape == near_duplicate_pairs(nothing, nothing, 8).shape == (0, 2)


@pytest.mark.parametrize("distance", [-1, 16])
def test_a_distance_out_of_range_is_an_error(distance):
    with pytest.raises(ValueError, match="0 to 15"):
        near_hash_pairs(np.zeros(2, dtype=np.uint64), distance)


def image(seed: int) -> Image.Image:
    """A smooth random image: like a photograph, its energy is in the low frequencies."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((240, 240), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))


def test_a_smaller_and_a_mirrored_copy_are_near_duplicates_and_other_images_are_not():
    original = image(0)
    images = [original, original.resize((120, 120)), ImageOps.mirror(original)] + [image(k) for k in range(1, 20)]
    hashes, mirrored = np.array([perceptual_hashes(p) for p in images], dtype=np.uint64).T
    assert near_duplicate_pairs(hashes, mirrored, 4).tolist() == [[0, 1], [0, 2], [1, 2]]


def test_groups_are_named_by_their_smallest_member():
    assert connected_groups(6, np.array([[4, 5], [1, 4]])).tolist() == [0, 1, 2, 3, 1, 1]
    assert connected_groups(3, np.empty((0, 2), dtype=np.int64)).tolist() == [0, 1, 2]
