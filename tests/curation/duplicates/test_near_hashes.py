"""The fast search for near-duplicates finds exactly the pairs that comparing all pairs finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.curation.duplicates import near_hashes
from distillery.curation.duplicates.near_hashes import near_hash_pairs


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
        patch.setattr(near_hashes, "BLOCK", block)
        assert [tuple(pair) for pair in near_hash_pairs(hashes, distance)] == every_pair(hashes, distance)


def test_no_hashes_give_no_pairs():
    nothing = np.empty(0, dtype=np.uint64)
    assert near_hash_pairs(nothing, 8).shape == (0, 2)


@pytest.mark.parametrize("distance", [-1, 16])
def test_a_distance_out_of_range_is_an_error(distance):
    with pytest.raises(ValueError, match="0 to 15"):
        near_hash_pairs(np.zeros(2, dtype=np.uint64), distance)
