"""Defaults come from the models, at every depth, and are not shared between two configurations."""

import re
from pathlib import Path

import pytest

from distillery.config.choices import SOURCE_KINDS
from distillery.config.defaults import arm_defaults, fill_defaults, recipe_defaults, source_defaults
from distillery.config.models.arms import ARMS
from distillery.config.models.sources import SOURCES

ROOT = Path(__file__).parents[2]


def test_defaults_of_a_source_include_those_of_its_sections():
    google = source_defaults("google")
    assert google["kind"] == "google" and google["filters"] == {
        "type": "photo", "size": "large", "license": "commercial", "color": "color"}  # fmt: skip
    assert "per_class" not in google  # which has no default
    google["filters"]["size"] = ""
    assert source_defaults("google")["filters"]["size"] == "large"


def test_given_keys_stay_first_and_unchanged():
    section = {"classes": {}, "sources": {"s": {"per_class": 1, "kind": "bing", "retries": 0}}, "seeds": 2}
    fill_defaults(section)
    assert list(section)[:3] == ["classes", "sources", "seeds"] and section["seeds"] == 2
    assert list(section["sources"]["s"])[:3] == ["per_class", "kind", "retries"]
    assert section["sources"]["s"]["retries"] == 0 and section["sources"]["s"]["timeout_seconds"] == 30
    assert section["teacher"]["data"]["path"] == "resources/cifar10" and section["arms"]["kd"]["alpha"] == 0.9
    for key in ("demo", "comparisons"):
        assert key not in section


def test_every_kind_and_method_has_a_model():
    assert set(SOURCES) == set(SOURCE_KINDS)
    assert all(arm_defaults(method)["method"] == method for method in ARMS)


def test_the_recipe_has_no_default_where_teacher_and_student_differ():
    assert not {"network", "steps", "batch", "lr", "data", "tune"} & set(recipe_defaults())
    assert recipe_defaults()["weight_decay"] == 0.0005


@pytest.mark.parametrize("method", ["published_ce", "published_kd", "ce"])
def test_an_arm_without_settings(method):
    assert arm_defaults(method) == {"method": method}


@pytest.mark.parametrize(("page", "names"), [("sources.md", SOURCE_KINDS), ("arms.md", ARMS)])
def test_every_kind_and_method_is_described(page, names):
    text = (ROOT / "docs" / page).read_text()
    assert [name for name in names if f"`{name}`" not in text] == [], f"rows that docs/{page} lacks"


@pytest.mark.parametrize("method", ["kd", "dkd", "dist", "kd_standardized", "attention_transfer", "fitnet"])
def test_the_page_of_the_arms_names_their_defaults(method):
    row = re.search(rf"^\| `{method}` \|.*$", (ROOT / "docs" / "arms.md").read_text(), re.M)[0]
    named = {key: float(value) for key, value in re.findall(r"`(\w+)` ([\d.]+)", row)}
    assert {"method": method} | named == arm_defaults(method)
