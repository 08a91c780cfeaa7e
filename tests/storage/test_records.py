"""A record is the same after writing and reading as JSON; JSON with unknown keys is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.jobs import UserError
from distillery.storage.records import ImageRecord

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(texts, texts, st.integers(-1, 2**62), st.lists(texts, max_size=3))
def test_a_record_survives_its_json(query, prompt, seed, others):
    record = ImageRecord(
        "sd2", "cat", "diffusion", "x", query=query, prompt=prompt, seed=seed, duplicate_queries=tuple(others)
    )
    line = record.to_json()
    assert "\n" not in line
    assert ImageRecord.from_json(line) == record


def test_unknown_provenance_is_refused_rather_than_lost():
    with pytest.raises(UserError, match="color"):
        ImageRecord.from_json('{"source": "s", "label": "l", "kind": "k", "origin": "o", "color": "red"}')
    for name, value in (("seed", '"abc"'), ("title", "5"), ("guidance", '"7"'), ("label", "null")):
        record = {"source": '"s"', "label": '"l"', "kind": '"k"', "origin": '"o"', name: value}
        with pytest.raises(TypeError, match=f"provenance: {name} is"):
            ImageRecord.from_json("{" + ", ".join(f'"{key}": {text}' for key, text in record.items()) + "}")


@pytest.mark.parametrize("text", ["[]", "[1]", "null", "7"])
def test_json_that_is_no_object_is_refused(text):
    with pytest.raises(TypeError, match="not a JSON object"):
        ImageRecord.from_json(text)
