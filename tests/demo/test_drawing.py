"""Drawn images: the same in every process, all different, and recognizable by class."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_pairs import near_pairs_of

from distillery.cifar10 import CIFAR10
from distillery.jobs import UserError
from distillery_demo.drawing import CLASSES, STYLES, draw, draw_set

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def test_the_classes_are_cifar10s_in_its_order():
    assert CLASSES == CIFAR10


@settings(max_examples=60)
@given(st.sampled_from(CLASSES), st.sampled_from(sorted(STYLES)), st.integers(-(2**70), 2**70), st.integers(8, 64))
def test_an_image_is_rgb_square_and_depends_on_its_arguments_alone(label, style, seed, size):
    image = draw(label, style, seed, size)
    assert (image.mode, image.size) == ("RGB", (size, size))
    np.random.seed(0)  # the global state does not matter
    assert image.tobytes() == draw(label, style, seed, size).tobytes()


def test_another_process_draws_the_same():
    code = "from distillery_demo.drawing import draw; print(draw('frog', 'bing', 5, 16).tobytes().hex())"
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert bytes.fromhex(other.stdout) == draw("frog", "bing", 5, 16).tobytes()


@pytest.mark.parametrize("style", STYLES)
def test_no_two_images_are_alike(style):
    drawn = {draw(label, style, seed, 24).tobytes() for label in CLASSES for seed in range(10)}
    assert len(drawn) == 100


@pytest.mark.parametrize("label", ["cat", "frog", "airplane"])
def test_few_images_are_near_duplicates(label):
    assert (
        len(near_pairs_of([draw(label, "google", seed, 96) for seed in range(60)])) <= 9
    )  # of 1,770; curation would drop these


def test_an_image_is_the_same_at_every_size_except_for_sampling():
    for label in CLASSES:
        small, large = (np.asarray(draw(label, "google", 3, size).resize((8, 8)), float) for size in (48, 96))
        assert np.abs(small - large).mean() < 12


@given(st.integers(1, 40), st.lists(st.sampled_from(CLASSES), min_size=1, max_size=10, unique=True))
@settings(max_examples=15)
def test_a_set_is_balanced(count, classes):
    pixels, labels = draw_set(classes, "teacher", count, 8, seed=1)
    assert pixels.shape == (count, 8, 8, 3) and pixels.dtype == np.uint8
    assert labels.dtype == np.int64
    counts = np.bincount(labels, minlength=len(classes))
    assert counts.max() - counts.min() <= 1


def test_sets_of_other_seeds_share_no_image():
    sets = [{p.tobytes() for p in draw_set(CLASSES, "google", 50, 16, seed)[0]} for seed in (0, 1)]
    assert not sets[0] & sets[1]


def test_a_nearest_mean_classifier_beats_chance():
    train, labels = draw_set(CLASSES, "google", 300, 12, seed=0)
    test, truth = draw_set(CLASSES, "google", 200, 12, seed=1)
    means = np.stack([train[labels == k].mean(0, dtype=float) for k in range(10)])
    distances = ((test[:, None].astype(float) - means) ** 2).sum((2, 3, 4))
    accuracy = (distances.argmin(1) == truth).mean()
    assert 0.15 < accuracy < 0.6  # backgrounds and colors are some evidence of the class, but do not decide it


def test_the_error_for_an_unknown_class_names_the_known_ones():
    with pytest.raises(UserError) as error:
        draw("unicorn", "google", 0, 32)
    assert all(name in str(error.value) for name in ("unicorn", *CLASSES))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="baroque"):
        draw("cat", "baroque", 0, 32)
