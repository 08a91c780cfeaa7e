"""Text that cannot be parsed as a configuration ends in one line, however it is built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.reading import load_config
from distillery.jobs import UserError

TEXTS = {
    "brackets": "a: " + "[" * 5000,
    "closed brackets": "[" * 5000 + "]" * 5000,
    "braces": "{" * 5000,
    "levels": "- " * 5000,
    "a mapping for a key": "? {a: b}\n: c\n",
    "a list for a key": "? [a]\n: c\n",
    "a set for a key": "? !!set {a}\n: c\n",
    "ordered pairs for a key": "? !!omap [a: b]\n: c\n",
    "a list for a set": "a: !!set [b]\n",
    "a text for a set": "a: !!set b\n",
    "no time": "a: !!timestamp b\n",
    "no truth": "a: !!bool b\n",
    "no number": "a: !!int ''\n",
    "no fraction": "a: !!float ''\n",
    "itself": "a: &b [*b]\n",
    "a giant number": "a: " + "9" * 5000 + "\n",
    "bytes": "a: !!binary x\n",
    "an object": "a: !!python/object/apply:os.system [true]\n",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_text_that_is_no_configuration_ends_in_one_line(tmp_path, name, suffix):
    path = tmp_path / f"config.{suffix}"
    path.write_text(TEXTS[name])
    with pytest.raises(UserError, match="^config: ") as error:
        load_config(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


pieces = st.sampled_from(
    [*"[]{}:,-?!&*#|>%@`'\"\n ", "  ", "a", "- ", ": ", "!!set ", "&b ", "*b", "<<", "classes", "0"]
)


@given(st.lists(pieces | st.text(max_size=3), max_size=40).map("".join))
def test_any_text_is_read_or_ends_in_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("config", numbered=True) / "config.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(UserError) as error:
        load_config(path)
    assert "\n" not in str(error.value)
