"""The prompt of each image: a published one in turn, or one composed by seed, class and number."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.queries.retrieval_queries import words_of
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


def prompts_of(count, source=COMPOSED, label="cat", words=CAT, seed=0):
    return [prompt_for(source, label, words, index, seed) for index in range(count)]


def test_published_prompts_are_used_in_turn():
    words = {"prompts": ["one", "two", "three"]}
    expected = [ImagePrompt(text, 7.0) for text in ("one", "two", "three", "one")]
    assert prompts_of(4, {"prompt_style": "published", "guidance": 7}, words=words) == expected


def test_parts_make_a_phrase_and_empty_parts_are_left_out():
    assert compose("a photo of", "a cat", "in a field", "from above", "at dusk") == (
        "a photo of a cat in a field, from above, at dusk"
    )
    assert compose("", "a cat", "", "", "at dusk") == "a cat, at dusk"
    assert compose("", "a cat", "", "", "") == "a cat"


def test_every_combination_occurs_and_all_equally_often():
    counts = Counter(prompt.prompt for prompt in prompts_of(7200))
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


def test_guidance_covers_its_range_independently_of_the_prompt():
    prompts = prompts_of(6000)
    counts = Counter(prompt.guidance for prompt in prompts)
    assert sorted(counts) == [1.5, 2.0, 2.5, 3.0, 3.5, 4.0] and len(counts) == LEVELS
    assert all(880 < count < 1120 for count in counts.values())
    kittens = Counter(prompt.guidance for prompt in prompts if "kitten" in prompt.prompt)
    assert all(430 < count < 570 for count in kittens.values())


@given(st.integers(0, 2**40), st.integers(0, 10_000), st.sampled_from(["cat", "dog", "Katze é"]))
def test_a_prompt_depends_on_seed_class_and_number_alone(seed, index, label):
    assert prompt_for(COMPOSED, label, CAT, index, seed) == prompt_for(COMPOSED, label, CAT, index, seed)


def test_other_seeds_and_classes_have_other_prompts():
    assert prompts_of(50) != prompts_of(50, seed=1) != prompts_of(50, seed=1, label="dog")


def test_a_longer_list_of_one_part_leaves_the_other_parts_unchanged():
    longer = COMPOSED | {"compose": COMPOSE | {"lights": ["at night"]}}
    for before, after in zip(prompts_of(100), prompts_of(100, longer), strict=True):
        assert after.guidance == before.guidance
        without = before.prompt.removesuffix(", at dusk").removesuffix(", at noon")
        assert after.prompt == f"{without}, at night"


def test_a_class_without_subjects_uses_its_name_and_may_have_its_own_settings():
    words = {"subjects": [], "settings": ["in mud"]}
    assert all("an old truck in mud" in prompt.prompt for prompt in prompts_of(200, label="old_truck", words=words))
    assert with_article("airplane") == "an airplane" and with_article("sea-lion") == "a sea lion"


def test_the_varied_sources_of_the_study_hardly_repeat_a_prompt(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    study = load_config("config.yaml")
    for source in ("sd2_varied", "sd3_varied"):
        settings, words = study["sources"][source], words_of(study, source)
        for label in study["classes"]:
            prompts = Counter(
                prompt.prompt for prompt in prompts_of(800, settings, label, words[label], settings["seed"])
            )
            assert len(prompts) > 700 and max(prompts.values()) <= 5
        guidances = [prompt.guidance for prompt in prompts_of(100, settings, label, words[label])]
        assert [min(guidances), max(guidances)] == settings["guidance"]


@pytest.mark.parametrize("guidance", [0, 2, 7.5])
def test_a_fixed_guidance_applies_to_every_image(guidance):
    assert {prompt.guidance for prompt in prompts_of(20, COMPOSED | {"guidance": guidance})} == {float(guidance)}


def test_the_draws_of_composed_prompts_never_change():
    # recorded with version 0.1: other draws would generate other images, which takes hours on a GPU
    assert prompts_of(4) == [
        ImagePrompt("a photo of a kitten at sea", 4.0),
        ImagePrompt("a kitten at sea, from above", 4.0),
        ImagePrompt("a kitten in a field", 2.5),
        ImagePrompt("a photo of a cat, from above", 3.5),
    ]
