"""Errors in a configuration's YAML end in a plain message with file and line."""

import pytest

from distillery.config.reading import read_config
from distillery.jobs import UserError

ERRORS = {
    "title: A\nseeds 3\nimage_size: 32\n": "line 2 has no colon",
    "title: A\nseeds 3\n": "line 2 has no colon",
    "title: A\nclasses\n  cat: {}\n  dog: {}\n": "line 2 has no colon",
    "classes:\n  cat:\n    queries [cat]\n    prompts: [a]\n": "line 3 has no colon",
    "title = A\nseeds: 3\n": "line 1 has no colon",
    "title: A\n// a comment\nseeds: 3\n": "line 2 has no colon; a comment begins with #",
    "hello\nthere\n": "line 1 has no colon",
    "title: A\nseeds:3\nimage_size: 32\n": "line 2 has no space after the colon of seeds",
    "split:\n  shortfall:shrink\n  test: {a: 3}\n": "line 2 has no space after the colon of shortfall",
    "title: Cats: a study\n": "line 1 has two colons",
    "classes:\n\tcat: {}\n": "line 2: a tab; indent with spaces",
    "classes:\n  cat:\n  \tqueries: [a]\n": "line 3: a tab; indent with spaces",
    "a: {\n  b: @x}\n": "line 2: text that begins with @ must be in quotes",
    'title: "A study\nseeds: 3\n': "line 1: the quote that opens here is not closed",
    'title: "A study\ncontact: "x"\nseeds: 3\n': "line 1: the quote that opens here is not closed",
    "title: 'Anna's study'\n": "line 1: a ' inside single quotes ends the text",
    'title: "A" study\n': "line 1: text after a closing quote",
    'queries: ["a" b, c]\n': "line 1: a comma is missing",
    "classes:\n  cat:\n    queries: [cat, kitten\n    prompts: [a]\n": "line 3: the [ that opens here is not closed",
    "sources:\n  a: {kind: bing, per_class: 3\nsplit: {}\n": "line 2: the { that opens here is not closed",
    "sources:\n  a: {kind: bing, per_class: 3\n": "line 2: the { that opens here is not closed",
    "classes:\n  cat: {queries: [cat, kitten}\n": "line 2: a } before the [ of line 2 is closed",
    "classes:\n  cat: {queries: [cat]}}\n": "line 2: a } that nothing opens",
    "sources:\n  a: {kind: bing per_class: 3}\n": "line 2: a comma is missing between two parts of {}",
    "title: A\n  seeds: 3\n": "line 2 is indented more than the line above",
    "split:\n    test: {a: 3}\n  val: {a: 3}\n": "line 3 is indented unlike its neighbors",
    "queries: - a\n": "line 1: a list begins beside its key",
    "queries:\n  b: 3\n  - a\n": "line 3: an item of a list among keys",
    "queries:\n  - a\n  b: 3\n": "line 3: a key among the items of a list",
    "title: *x\n": "line 1: text that begins with * must be in quotes",
    "title: !x\n": "line 1: text that begins with ! must be in quotes",
    'path: "C:\\photos"\n': "line 1: a \\ in double quotes",
    "title: |x\n": "line 1: text after | or > starts on the next line",
    "title: A\n---\ntitle: B\n": "line 2: a second document begins",
    "title: A\n<<<<<<< HEAD\nseeds: 3\n": "line 2: a mark of an unresolved merge",
    "path: {{x}}\n": "line 1: braces in place of a key",
    "a: 1\ntitle: 2024-13-45\n": "line 2: 2024-13-45 cannot be read",
    "a: 1\ntitle: \x00\n": "line 2: a control character",
}


def mistake(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_config(path)
    return str(error.value)


@pytest.mark.parametrize("text", ERRORS, ids=range(len(ERRORS)))
def test_a_slip_is_one_line_with_its_file_and_line(tmp_path, text):
    said = mistake(tmp_path / "config.yaml", text)
    assert said.startswith(f"config: {tmp_path}/config.yaml, {ERRORS[text]}") and "\n" not in said


WHOLE = """\
title: "A study: of cats"   # it's a title
classes:
  cat: {queries: [cat, 'tom cat'], prompts: []}
  dog:
    queries:
      - dog
split: {test: {a: 3}}
"""


@pytest.mark.parametrize("added", ["", "\t", '"', "'", "{", "]", ":", "- ", "\n", "@", "#"])
def test_one_wrong_character_is_read_or_refused_in_one_line(tmp_path, added):
    path = tmp_path / "config.yaml"
    for place in range(len(WHOLE)):
        path.write_text(WHOLE[:place] + added + WHOLE[place + 1 - bool(added) :], encoding="utf-8")
        try:
            read_config(path)
        except UserError as error:
            assert "config.yaml, line " in str(error) and "\n" not in str(error)


def test_keys_of_an_anchor_are_merged_and_may_be_given_again(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("web: &web {kind: bing, per_class: 5}\nmore: {<<: *web, per_class: 6}\n")
    assert read_config(path)["more"] == {"kind": "bing", "per_class": 6}
