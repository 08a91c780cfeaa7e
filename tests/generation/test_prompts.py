"""What each image is asked for: published prompts in turn, or composed ones that follow from seed and number."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.queries import words_of
from distillery.config.reading import load_config
from distillery.generation.prompts import LEVELS, ImagePrompt, compose, prompt_for, with_article

COMPOSE = {
    "media": ["a photo of", ""],
    "settings": ["in a field", "at sea", ""],
    "viewpoints": ["from above", ""],
    "lights": ["at dusk", "at noon", ""],
}
COMPOSED = {"prompt_style": "composed", "compose": COMPOSE, "guidance": [1.5, 4]}
CAT = {"subjects": ["a cat", "a kitten"], "settings": []}


def asked(count, source=COMPOSED, label="cat", words=CAT, seed=0):
    return [prompt_for(source, label, words, index, seed) for index in range(count)]


def test_published_prompts_are_taken_as_they_are_in_turn():
    words = {"prompts": ["one", "two", "three"]}
    source = {"prompt_style": "published", "guidance": 7}
    assert asked(4, source, words=words) == [ImagePrompt(text, 7.0) for text in ("one", "two", "three", "one")]


def test_the_parts_make_a_phrase_and_empty_ones_leave_no_trace():
    assert compose("a photo of", "a cat", "in a field", "from above", "at dusk") == (
        "a photo of a cat in a field, from above, at dusk"
    )
    assert compose("", "a cat", "", "", "at dusk") == "a cat, at dusk"
    assert compose("", "a cat", "", "", "") == "a cat"


def test_every_combination_comes_and_none_more_often_than_chance():
    counts = Counter(wish.prompt for wish in asked(7200))
    combinations = {
        compose(medium, subject, setting, viewpoint, light)
        for medium in COMPOSE["media"]
        for subject in CAT["subjects"]
        for setting in COMPOSE["settings"]
        for viewpoint in COMPOSE["viewpoints"]
        for light in COMPOSE["lights"]
    }
    assert len(combinations) == 72 and set(counts) == combinations
    assert 60 < min(counts.values()) and max(counts.values()) < 145  # 100 expected, standard deviation 10


def test_guidance_is_spread_over_its_range_independently_of_the_prompt():
    wishes = asked(6000)
    counts = Counter(wish.guidance for wish in wishes)
    assert sorted(counts) == [1.5, 2.0, 2.5, 3.0, 3.5, 4.0] and len(counts) == LEVELS
    assert all(880 < count < 1120 for count in counts.values())
    kittens = Counter(wish.guidance for wish in wishes if "kitten" in wish.prompt)
    assert all(430 < count < 570 for count in kittens.values())


@given(st.integers(0, 2**40), st.integers(0, 10_000), st.sampled_from(["cat", "dog", "Katze é"]))
def test_an_image_s_wish_follows_from_seed_class_and_number_alone(seed, index, label):
    assert prompt_for(COMPOSED, label, CAT, index, seed) == prompt_for(COMPOSED, label, CAT, index, seed)


def test_seeds_and_classes_have_wishes_of_their_own():
    assert asked(50) != asked(50, seed=1) != asked(50, seed=1, label="dog")


def test_another_list_of_one_part_leaves_the_other_parts_as_they_are():
    longer = COMPOSED | {"compose": COMPOSE | {"lights": ["at night"]}}
    for before, after in zip(asked(100), asked(100, longer), strict=True):
        assert after.guidance == before.guidance
        without = before.prompt.removesuffix(", at dusk").removesuffix(", at noon")
        assert after.prompt == f"{without}, at night"


def test_a_class_without_subjects_is_shown_by_its_name_and_may_have_settings_of_its_own():
    prompts = {wish.prompt for wish in asked(200, label="old_truck", words={"subjects": [], "settings": ["in mud"]})}
    assert all("an old truck in mud" in prompt for prompt in prompts)
    assert with_article("airplane") == "an airplane" and with_article("sea-lion") == "a sea lion"


def test_the_study_s_varied_images_hardly_share_a_prompt(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    study = load_config("config.yaml")
    for source in ("sd2_varied", "sd3_varied"):
        settings, words = study["sources"][source], words_of(study, source)
        for label in study["classes"]:
            prompts = Counter(wish.prompt for wish in asked(800, settings, label, words[label], settings["seed"]))
            assert len(prompts) > 700 and max(prompts.values()) <= 5
        guidances = [wish.guidance for wish in asked(100, settings, label, words[label])]
        assert [min(guidances), max(guidances)] == settings["guidance"]


@pytest.mark.parametrize("guidance", [0, 2, 7.5])
def test_one_guidance_is_every_image_s(guidance):
    assert {wish.guidance for wish in asked(20, COMPOSED | {"guidance": guidance})} == {float(guidance)}
