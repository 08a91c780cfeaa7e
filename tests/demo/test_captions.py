"""Drawn images show what their captions describe."""

from pathlib import Path

import numpy as np
import pytest

from distillery.config.reading import load_config
from distillery_demo import captions
from distillery_demo.captions import SUBJECTS, draw_captioned_set, vocabulary
from distillery_demo.drawing import CLASSES, SCENES

ROOT = Path(__file__).parents[2]


def brightness(pixels):
    return float(pixels.astype(float).mean())


@pytest.fixture(scope="module")
def drawn():
    return draw_captioned_set(CLASSES, 2000, 24, seed=1)


def test_a_row_depends_on_seed_and_number_alone(drawn):
    pixels, texts, labels = drawn
    few = draw_captioned_set(CLASSES, 30, 24, seed=1)
    assert np.array_equal(few[0], pixels[:30]) and few[1] == texts[:30] and np.array_equal(few[2], labels[:30])
    assert draw_captioned_set(CLASSES, 30, 24, seed=2)[1] != texts[:30]


def test_captions_name_their_class_and_hardly_repeat(drawn):
    _, texts, labels = drawn
    for text, label in zip(texts, labels, strict=True):
        assert any(subject in text for subject in SUBJECTS[CLASSES[label]])
    assert len(set(texts)) > 1500


def test_the_words_change_the_image(drawn):
    pixels, texts, _ = drawn
    values = {word: [i for i, text in enumerate(texts) if text.endswith(word)] for word in captions.LIGHTS}
    means = {word: np.mean([brightness(pixels[i]) for i in rows]) for word, rows in values.items()}
    assert means["at night"] < means["in soft daylight"] - 20 < means["in bright sunlight"] - 30
    colorful, faded = (
        np.mean([np.ptp(pixels[i].astype(int), axis=2).mean() for i, text in enumerate(texts) if text.startswith(word)])
        for word in ("a colorful painting", "a faded photo")
    )
    assert colorful > 2 * faded


def test_a_setting_shows_its_scene(drawn):
    pixels, texts, _ = drawn
    rows = {name: [i for i, text in enumerate(texts) if name in text] for name in ("in a meadow", "at sea")}
    corners = {name: pixels[found][:, -2:, :].mean(axis=(0, 1, 2)) for name, found in rows.items()}
    assert corners["in a meadow"][1] > corners["in a meadow"][2] + 20  # green ground
    assert corners["at sea"][2] > corners["at sea"][0] + 20  # blue water


def test_settings_cover_all_scenes_and_every_class_has_subjects():
    assert {scene for scenes in captions.SETTINGS.values() for scene in scenes} == set(SCENES)
    assert tuple(SUBJECTS) == CLASSES and len({s for subjects in SUBJECTS.values() for s in subjects}) == 50


def test_the_demo_prompts_use_only_words_of_the_training_captions(monkeypatch):
    monkeypatch.chdir(ROOT / "demo")
    known = {word for text in vocabulary() for word in text.replace(",", " ").split()}
    study = load_config("config.yaml")
    for label, words in study["classes"].items():
        for prompt in words["prompts"]:
            assert set(prompt.split()) <= known, prompt
            assert any(subject in prompt for subject in SUBJECTS[label]), prompt
