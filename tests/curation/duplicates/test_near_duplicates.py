"""Altered copies of an image are near-duplicates, different images are not, and groups do not chain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_pairs import near_pairs_of
from PIL import Image, ImageDraw, ImageOps

from distillery.curation.duplicates.candidate_pairs import candidate_pairs
from distillery.curation.duplicates.keypoints import fingerprint, mirrored
from distillery.curation.duplicates.near_duplicates import find_near_duplicates, fingerprints_of
from distillery.curation.duplicates.star_groups import star_centers
from distillery.curation.thumbnails import stack_thumbnails, thumbnails_of, to_thumbnail
from distillery_demo.drawing import CLASSES, draw


def scene(seed: int, width: int = 180, height: int = 140) -> Image.Image:
    """Random shapes over a smooth background, with details of many sizes as in a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(60, 200, (5, 6, 3), dtype=np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = rng.integers(4, 30, 2)
        shape = pen.rectangle if rng.integers(2) else pen.ellipse
        shape((int(x), int(y), int(x + w), int(y + h)), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image


def turned(image: Image.Image) -> Image.Image:
    return image.rotate(5, Image.Resampling.BICUBIC, expand=True)


def with_bar(image: Image.Image) -> Image.Image:
    copy = image.copy()
    ImageDraw.Draw(copy).rectangle((0, 0, image.width, image.height // 10), fill="black")
    return copy


COPIES = {
    "mirrored": ImageOps.mirror,
    "halved": lambda image: image.reduce(2),
    "gray": lambda image: image.convert("L").convert("RGB"),
    "cropped": lambda image: image.crop((30, 5, 170, 115)),
    "one side cut": lambda image: image.crop((0, 0, image.width * 3 // 4, image.height)),
    "cut and mirrored": lambda image: ImageOps.mirror(image.crop((40, 0, image.width, image.height))),
    "bordered": lambda image: ImageOps.expand(image, 14, "white"),
    "turned": turned,
    "with a bar": with_bar,
    "center square": lambda image: ImageOps.fit(image, (96, 96)),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_and_nothing_else(name):
    images = [scene(seed) for seed in range(8)]
    copies = [COPIES[name](image) for image in images]
    assert near_pairs_of(images + copies).tolist() == [[place, place + 8] for place in range(8)]


def test_only_a_mirrored_copy_is_marked_as_mirrored():
    thumbnails = stack_thumbnails([to_thumbnail(image) for image in (scene(1), scene(1).reduce(2), scene(2))])
    found = find_near_duplicates(thumbnails, fingerprints_of(thumbnails))
    assert found.pairs.tolist() == [[0, 1]] and not found.is_mirrored.any()
    thumbnails = stack_thumbnails([to_thumbnail(image) for image in (scene(1), ImageOps.mirror(scene(1)))])
    found = find_near_duplicates(thumbnails, fingerprints_of(thumbnails))
    assert found.is_mirrored.tolist() == [True] and found.agreement[0] > 0.95


def test_drawings_of_one_outline_in_other_tones_are_no_copies():
    image = scene(3).convert("L")
    negative = ImageOps.invert(image)
    assert len(near_pairs_of([image.convert("RGB"), negative.convert("RGB")])) == 0


@pytest.mark.parametrize("label", CLASSES[:3])
def test_images_of_32_pixels_are_compared_too(label):
    images = [np.asarray(draw(label, "google", seed, 32)) for seed in range(12)]
    copies = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    thumbnails = thumbnails_of(np.stack(images + copies))
    found = find_near_duplicates(thumbnails, fingerprints_of(thumbnails)).pairs.tolist()
    assert [[place, place + 12] for place in range(12) if [place, place + 12] not in found] == []


def test_the_fingerprint_of_a_mirror_image_follows_from_the_image():
    image = to_thumbnail(scene(5))
    one, other = mirrored(fingerprint(image)), fingerprint(np.ascontiguousarray(image[:, ::-1]))
    bits = np.bitwise_count(one.views ^ other.views)
    assert bits.max() <= 4
    # corners are found again within a pixel, with nearly the same hashes
    distance = np.linalg.norm(one.points[:, None] - other.points[None], axis=2)
    nearest = distance.argmin(axis=1)
    again = distance.min(axis=1) < 1.5
    assert again.mean() > 0.8
    assert np.median(np.bitwise_count(one.hashes ^ other.hashes[nearest])[again]) <= 4


def test_only_pairs_of_different_parts_are_candidates():
    prints = [fingerprint(to_thumbnail(image)) for image in (scene(1), scene(1), scene(2), scene(2).reduce(2))]
    assert len(candidate_pairs(prints).pairs) >= 2
    pairs = candidate_pairs(prints, np.array([0, 0, 0, 1])).pairs
    assert set(map(tuple, pairs.tolist())) >= {(2, 3)} and not (pairs == [0, 1]).all(axis=1).any()


@pytest.mark.parametrize("images", [[], [Image.new("RGB", (40, 90), "red")], [Image.new("RGB", (900, 10), "red")] * 2])
def test_few_flat_or_extreme_images_have_no_near_duplicates(images):
    assert near_pairs_of(images).shape == (0, 2)


def test_results_are_the_same_in_several_processes():
    thumbnails = stack_thumbnails([to_thumbnail(scene(seed).crop((0, 0, 170, 130))) for seed in range(20)] * 2)
    one, two = (
        find_near_duplicates(thumbnails, fingerprints_of(thumbnails, processes), processes=processes)
        for processes in (1, 2)
    )
    assert len(one.pairs) >= 20
    for name in ("pairs", "agreement", "is_mirrored"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_many_copies_are_one_group():
    base = scene(9)
    rng = np.random.default_rng(0)
    images = [base.crop((int(x), int(y), 150 + int(x), 120 + int(y))) for x, y in rng.integers(0, 20, (70, 2))]
    thumbnails = stack_thumbnails([to_thumbnail(image) for image in images])
    prints = fingerprints_of(thumbnails)
    pairs = find_near_duplicates(thumbnails, prints).pairs
    centers = star_centers(len(images), pairs, range(len(images)))
    assert len(np.unique(centers)) <= 2


pairs_of_20 = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)).filter(lambda pair: pair[0] != pair[1]))


@given(pairs_of_20, st.permutations(range(20)))
def test_every_member_of_a_group_is_near_its_center_and_centers_are_apart(pairs, order):
    pairs = np.array(sorted({tuple(sorted(pair)) for pair in pairs}), dtype=np.int64).reshape(-1, 2)
    centers = star_centers(20, pairs, order)
    near = set(map(tuple, pairs.tolist()))
    for image, center in enumerate(centers.tolist()):
        assert image == center or tuple(sorted((image, center))) in near
        assert centers[center] == center
    assert not [pair for pair in near if all(centers[image] == image for image in pair)]
