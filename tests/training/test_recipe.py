"""The recipe accepts only the configuration's keys; the learning rate follows its schedule."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.choices import SCHEDULES
from distillery.config.defaults import recipe_defaults
from distillery.config.queries.training_queries import recipe_of
from distillery.jobs import UserError
from distillery.training.recipe import Recipe, learning_rate

SECTION = recipe_defaults() | {"network": "resnet8", "steps": 100, "batch": 32, "lr": 0.1}
RECIPE = Recipe.of(SECTION)


def rates(**changes):
    recipe = replace(RECIPE, **changes)
    return [learning_rate(recipe, step) for step in range(recipe.steps)]


def test_a_section_of_the_configuration_becomes_a_recipe():
    teacher = {**SECTION, "momentum": 0.5, "data": {"kind": "cifar10"}, "seed": 3, "image_size": 64}
    study = {"image_size": 32, "teacher": teacher}
    section = recipe_of(study, "teacher")
    assert Recipe.of({**section, "checkpoint_every": 500}) == replace(RECIPE, momentum=0.5, image_size=64)


def test_an_unknown_key_gives_a_one_line_error():
    with pytest.raises(UserError, match="unknown key epochs; known are network, pretrained") as error:
        Recipe.of({**SECTION, "epochs": 3})
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named():
    with pytest.raises(UserError, match="key lr is missing"):
        Recipe.of({key: value for key, value in SECTION.items() if key != "lr"})


@given(st.sampled_from(SCHEDULES), st.floats(0, 1), st.integers(1, 300), st.floats(1e-4, 10))
def test_rates_are_above_0_rise_once_and_never_exceed_the_highest(schedule, warmup, steps, lr):
    found = rates(schedule=schedule, warmup=warmup, steps=steps, lr=lr)
    assert all(0 < rate <= lr * (1 + 1e-12) for rate in found)
    peak = found.index(max(found))
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in zip(found[peak:], found[peak + 1 :], strict=False))


def test_schedules_without_warmup():
    assert rates(schedule="constant", warmup=0) == [0.1] * 100
    line = rates(schedule="triangular", warmup=0)
    assert [line[0], line[49], line[99]] == pytest.approx([0.0995, 0.0505, 0.0005])
    cosine = rates(schedule="cosine", warmup=0)
    assert cosine[0] == pytest.approx(0.1, rel=1e-3)
    assert cosine[49] + cosine[50] == pytest.approx(0.1)
    assert cosine[99] == pytest.approx(0, abs=1e-4)


def test_warmup_is_linear_from_0():
    found = rates(schedule="constant", warmup=0.2)
    assert found[:3] == pytest.approx([0.0025, 0.0075, 0.0125])
    assert found[20:] == [0.1] * 80
    assert rates(warmup=1)[-1] == pytest.approx(0.0995)
