"""The page as a file: text from the web cannot run as code; its content security policy, citation and captions."""

import base64
import hashlib
import json
from pathlib import Path

from distillery.page.citation import bibtex
from distillery.page.flow import flow
from distillery.page.render import content_policy, read_captions
from distillery.page.script_data import script_json


def test_titles_from_the_web_cannot_end_the_script():
    hostile = {"title": "</script><script>alert(1)</script><!--", "line": "\u2028"}
    text = script_json(hostile)
    assert "<" not in text and "\u2028" not in text and json.loads(text) == hostile


def test_the_content_policy_allows_no_other_script_or_style():
    policy = dict(part.split(" ", 1) for part in content_policy("a {}", "f()").split("; "))
    digest = base64.b64encode(hashlib.sha256(b"f()").digest()).decode()
    assert policy["script-src"] == f"'sha256-{digest}'" and "unsafe" not in str(policy)
    assert {policy[name] for name in ("default-src", "base-uri", "form-action")} == {"'none'"}


def test_the_citation_is_bibtex(tmp_path):
    text = bibtex(Path(__file__).parents[2] / "CITATION.cff")
    assert text.startswith("@software{distillery,") and "Hinton, Geoffrey and Vinyals, Oriol" in text
    assert "Nguyen, Rami Huu" in text and "year = {2025}" in text and "url = {https://" in text
    assert text.count("@") == 3 and text.count("{") == text.count("}")


def test_captions_are_read_from_both_kinds(tmp_path):
    (tmp_path / "summary.rst").write_text("Some\nwords.\n")
    (tmp_path / "figure_sizes.rst").write_text("C\n")
    (tmp_path / "figures.yaml").write_text("sizes: {title: T, tables: []}\n")
    names = ("figures.yaml", "summary.rst", "figure_sizes.rst")
    found = read_captions([str(tmp_path / name) for name in names])
    assert found["summary"] == {"title": "Summary", "caption": "Some words."}
    assert found["sizes"] == {"title": "T", "tables": [], "caption": "C"}


def test_the_sketch_names_images_of_which_the_teacher_is_unsure(tables):
    assert flow(tables, {}).removed == "corrupt and duplicate ones removed"
    labeled = tables | {"counts": tables["counts"].assign(dropped_teacher_unsure="3")}
    assert flow(labeled, {}).removed.endswith("removed, and those of which the teacher is unsure")
