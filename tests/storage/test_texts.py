"""Any text from outside becomes one harmless line."""

import csv
import io
import json
import unicodedata

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distillery.analysis.table_files import read_table, write_table
from distillery.storage.records import ADDRESSES, PROMPT_LENGTH, TEXT_LENGTHS, ImageRecord
from distillery.storage.texts import JOINERS, as_cell, clean_address, clean_text
from distillery.storage.urls import is_http_url

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
anything = st.text(max_size=300)


@given(anything, st.integers(1, 200))
@example("a\rb\r\nc\x00d\x1b[31me\x85f\u2028g", 100)
@example(BIDI + "a", 5)
@example("\ud800", 5)
def test_any_text_becomes_one_line_without_invisible_characters(text, length):
    found = clean_text(text, length)
    assert len(found) <= length and len(found.splitlines()) <= 1
    assert found.encode("utf-8").decode() == found
    for character in found:
        assert unicodedata.category(character) not in ("Cc", "Zl", "Zp", "Cs")
        assert unicodedata.category(character) != "Cf" or character in JOINERS
    assert clean_text(found, length) == found


@pytest.mark.parametrize(
    "text, clean",
    [
        ("A dog\rby the\r\n\tsea", "A dog by the sea"),
        ("Zoë – 山田  Ω", "Zoë – 山田  Ω"),
        ("cod\u202egpj.exe", "codgpj.exe"),
        ("half \ud83d", "half ?"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\ufeffa\u00adb", "ab"),
    ],
)
def test_examples_of_cleaned_texts(text, clean):
    assert clean_text(text, 100) == clean


@pytest.mark.parametrize(
    "text, address",
    [
        ("http://a.bc/d", "http://a.bc/d"),
        (" http://a.bc/my cat\n", "http://a.bc/my%20cat"),
        ("http://a.bc/d\re", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//a.bc/d", ""),
        ("http://a.bc/\u202egpj", ""),
        ("http://a.bc/" + "d" * 5000, ""),
        ("", ""),
    ],
)
def test_a_page_address_is_an_address_or_nothing(text, address):
    assert clean_address(text) == address


@given(anything | st.sampled_from(["http://a.bc/"]).flatmap(lambda start: anything.map(start.__add__)))
def test_every_record_has_clean_texts(text):
    fields = dict.fromkeys([*TEXT_LENGTHS, *ADDRESSES, "prompt"], text)
    record = ImageRecord(**{"origin": text} | fields, duplicate_queries=(text,))
    read = ImageRecord.from_json(json.dumps(fields | {"duplicate_queries": [text]}))
    assert record == read and len(record.to_json().splitlines()) == 1
    for name, length in TEXT_LENGTHS.items():
        assert getattr(record, name) == clean_text(text, length)
    for name in ADDRESSES:
        assert getattr(record, name) == "" or is_http_url(getattr(record, name))


def test_lengths_are_limited():
    record = ImageRecord("a", "b", "c", "d", title="x" * 200_000, prompt="x" * 200_000, query="x" * 200_000)
    assert len(record.title) == TEXT_LENGTHS["title"] and len(record.prompt) == PROMPT_LENGTH
    assert len(record.query) == TEXT_LENGTHS["query"]


def test_a_prompt_keeps_its_lines_since_an_image_is_made_from_it():
    assert ImageRecord("a", "b", "c", "d", prompt="a cat\n  on a mat").prompt == "a cat\n  on a mat"


FORMULAS = ['=HYPERLINK("http://a.bc","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "=", "-", "@ada"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text):
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1.25", "+3", "-1e-9", "-inf", "", "a=b", "[-1.2, 3]", "'x"])
def test_numbers_and_other_texts_stay(text):
    assert as_cell(text) == text


def test_every_table_is_free_of_formulas(tmp_path):
    table = pd.DataFrame({"title": [*FORMULAS, None], "n": range(-4, 5), "difference": ["-1.25"] * 9})
    write_table(table, tmp_path / "a.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert [row["title"] for row in rows] == [f"'{text}" for text in FORMULAS] + [""]
    assert read_table(tmp_path / "a.csv")["difference"].tolist() == [-1.25] * 9
    assert [int(row["n"]) for row in rows] == list(range(-4, 5)) and table["title"][0] == FORMULAS[0]
