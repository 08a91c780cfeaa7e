"""Every arm and source has one display name."""

import pytest

from distillery.config.choices import SOURCE_KINDS, WEB_SEARCHES
from distillery.display_names import OTHER_KINDS, SEARCHES, display_name, source_title, source_titles, source_with_title


@pytest.mark.parametrize(
    ("arm", "name"),
    [
        ("scratch", "from scratch"),
        ("kd", "distilled"),
        ("published_scratch", "published recipe, from scratch"),
        ("published_kd", "published recipe, distilled"),
        ("kd_standardized", "kd_standardized"),
    ],
)
def test_an_arm_has_one_display_name(arm, name):
    assert display_name(arm) == name


@pytest.mark.parametrize(
    ("source", "kind", "title"),
    [
        ("google", "google", "Google"),
        ("google", "openverse", "Openverse"),
        ("web", "commons", "Wikimedia Commons"),
        ("commons", "commons", "Wikimedia Commons"),
        ("sd3", "diffusion", "SD3"),
        ("sd_v3", "diffusion", "SD V3"),
        ("sd2_varied", "diffusion", "sd2 varied"),
        ("sd3", "folder", "sd3 (folder)"),
        ("sd3", "bing", "Bing"),
        ("my_own", "folder", "my own"),
        ("google", "folder", "google (folder)"),
        ("Bing-photos", "urls", "Bing-photos (list of addresses)"),
        ("google", "diffusion", "google (generated)"),
    ],
)
def test_a_source_has_one_title_that_follows_its_kind(source, kind, title):
    titles = source_titles({source: kind, "other": "folder"})
    assert source_title(source, titles) == title and source_title("other", titles) == "other"


def test_every_kind_of_source_has_a_title():
    assert set(SEARCHES) == set(WEB_SEARCHES) and {*SEARCHES, *OTHER_KINDS} == set(SOURCE_KINDS)


def test_titles_of_several_sources_of_one_kind_include_their_names():
    titles = source_titles({"google": "google", "google_large": "google", "bing": "openverse", "open": "openverse"})
    assert list(titles.values()) == ["Google", "Google (google large)", "Openverse (bing)", "Openverse (open)"]
    assert len(set(titles.values())) == len(titles)


def test_a_source_without_a_title_keeps_its_name():
    assert source_title("my_own", {}) == "my own"


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("google", "google", "google"), ("commons", "commons", "commons"), ("sd2", "diffusion", "sd2"),
        ("my_own", "folder", "my_own"), ("google", "openverse", "google (Openverse)"),
        ("commons", "google", "commons (Google)"), ("bing", "folder", "bing (folder)"),
    ],
)  # fmt: skip
def test_a_name_that_reads_like_another_kind_has_its_title_beside_it(source, kind, text):
    assert source_with_title(source, source_titles({source: kind})) == text
