"""Every arm and source has one name that people read."""

import pytest

from distillery.analysis.display_names import display_name, source_title


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
    ("source", "title"), [("google", "Google"), ("commons", "Wikimedia Commons"), ("sd3", "SD3"), ("my_own", "my own")]
)
def test_a_source_has_one_title(source, title):
    assert source_title(source) == title
