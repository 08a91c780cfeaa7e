"""Corners match if their surroundings are similar; images are candidates only if positions of corners agree too."""

import numpy as np
import pytest

from distillery.curation.duplicates import consensus
from distillery.curation.duplicates.candidate_pairs import candidate_pairs
from distillery.curation.duplicates.consensus import FEWEST_AGREEING, agreeing_pairs
from distillery.curation.duplicates.corner_matches import match_corners
from distillery.curation.duplicates.keypoints import MIRROR, Fingerprint, mirrored, tabulate_corners


def random_print(rng: np.random.Generator, corners: int = 20) -> Fingerprint:
    hashes, views = rng.integers(0, 2**63, corners, dtype=np.uint64), rng.integers(0, 2**63, 2, dtype=np.uint64)
    return Fingerprint(rng.uniform(5, 90, (corners, 2)).astype(np.float32), hashes, views, (80, 96))


def moved(own: Fingerprint, scale: float, degrees: float, shift: tuple[float, float]) -> Fingerprint:
    """The same corners at other positions, each hash with two bits changed, as of another view of the image."""
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (own.points @ matrix.T + shift).astype(np.float32)
    return Fingerprint(points, own.hashes ^ np.uint64(3 << 50), ~own.views, own.size)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("scale, degrees, shift", [(1, 0, (0, 0)), (0.8, 3, (10, -4)), (1.3, -5, (-20, 5))])
def test_the_alignment_of_shared_corners_is_found(is_mirrored, scale, degrees, shift):
    rng = np.random.default_rng(0)
    one = random_print(rng)
    copy = moved(one, scale, degrees, shift)
    prints = [random_print(rng), one, random_print(rng), mirrored(copy) if is_mirrored else copy]
    found = candidate_pairs(prints)
    assert found.pairs.tolist() == [[1, 3]] and found.is_mirrored.tolist() == [is_mirrored]
    laid = one.points @ found.alignments[0, :, :2].T + found.alignments[0, :, 2]
    assert np.abs(laid - copy.points).max() < 0.1


def test_corners_in_other_places_are_no_candidates():
    rng = np.random.default_rng(1)
    candidates = 0
    for _ in range(20):
        one = random_print(rng, corners=7)
        shuffled = Fingerprint(rng.permutation(one.points), one.hashes, ~one.views, one.size)
        corners = tabulate_corners([one, shuffled])
        matches = match_corners(corners)
        assert (matches.second - matches.first).tolist() == [7] * 7 and not matches.is_mirrored.any()
        candidates += len(agreeing_pairs(corners, matches, 2)[0])
    assert candidates <= 1  # by chance


@pytest.mark.parametrize("shared, candidates", [(FEWEST_AGREEING - 1, 0), (FEWEST_AGREEING, 1)])
def test_few_shared_corners_do_not_make_a_candidate(shared, candidates):
    rng = np.random.default_rng(2)
    one, other = random_print(rng), random_print(rng)
    other.hashes[:shared], other.points[:shared] = one.hashes[:shared], one.points[:shared] + 2
    assert len(candidate_pairs([one, other]).pairs) == candidates


def test_fewer_shared_corners_are_enough_where_keys_are_long(monkeypatch):
    rng = np.random.default_rng(2)
    one, other = random_print(rng), random_print(rng)
    other.hashes[:3], other.points[:3] = one.hashes[:3], one.points[:3] + 2
    monkeypatch.setattr(consensus, "LONG_KEY", 16)
    assert len(candidate_pairs([one, other]).pairs) == 1


def test_corners_match_as_they_are_or_mirrored_and_across_parts_alone():
    rng = np.random.default_rng(3)
    one, other = random_print(rng), random_print(rng)
    other.hashes[3] = one.hashes[7] ^ MIRROR ^ np.uint64(1 << 60)
    corners = tabulate_corners([one, other, one])
    matches = match_corners(corners)
    found = set(zip(matches.first.tolist(), matches.second.tolist(), matches.is_mirrored.tolist(), strict=True))
    assert found == {(7, 23, True), (23, 47, True), *((place, place + 40, False) for place in range(20))}
    matches = match_corners(corners, np.array([0, 1, 0]))
    assert list(zip(matches.first.tolist(), matches.second.tolist(), strict=True)) == [(7, 23), (23, 47)]


def test_what_thousands_of_images_show_is_compared_with_few_of_them():
    rng = np.random.default_rng(4)
    prints = [random_print(rng) for _ in range(400)]
    for own in prints:  # the corners of a frame that all images have
        own.hashes[:8], own.points[:8] = prints[0].hashes[:8], prints[0].points[:8]
    framed = len(candidate_pairs(prints).pairs)
    assert framed < 0.1 * 400 * 399 / 2
    prints[7].hashes[8:], prints[7].points[8:] = prints[3].hashes[8:], prints[3].points[8:] + 3
    assert [3, 7] in candidate_pairs(prints).pairs.tolist()
