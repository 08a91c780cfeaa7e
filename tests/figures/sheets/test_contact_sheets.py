"""A contact sheet shows kept images and counts dropped ones, and warns if images come from an untrained model."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from distillery.figures.sheets import contact_sheets as sheets
from distillery.figures.sheets.drawing import draw_sheet
from distillery.jobs import UserError


def draw(table, output, **other):
    options = {"source": "google", "title": "A study"} | other
    sheets.contact_sheet(table.with_suffix(".npy"), table, output, sheets.SheetHeading(**options))
    return Image.open(output).convert("RGB")


def test_a_sheet_shows_the_pixels_that_were_kept(tmp_path, write_curated):
    table = write_curated("google", kept=30, size=32)
    sheet = np.asarray(draw(table, tmp_path / "sheet.png"))
    pixels = np.load(table.with_suffix(".npy"))
    cats = sheets.class_rows(table)[0].rows
    top, left = sheets.TITLE + sheets.EDGE, sheets.EDGE + sheets.LEFT
    for i, row in enumerate(sheets.evenly_spaced(cats)):
        x = left + i * (64 + sheets.GAP)
        assert (sheet[top : top + 64 : 2, x : x + 64 : 2] == pixels[row]).all()


def test_a_class_row_counts_candidates_and_reasons(write_curated):
    reasons = ["too small", "broken", "too small", "not retrieved: HTTP 404", "not retrieved: HTTP 500"]
    cat, dog = sheets.class_rows(write_curated("google", kept=7, reasons=reasons))
    assert (cat.name, dog.name, cat.candidates, len(cat.rows)) == ("cat", "dog", 12, 7)
    assert cat.reasons == [("not retrieved", 2), ("too small", 2), ("broken", 1)]


@pytest.mark.parametrize(("kept", "size", "classes"), [(0, 8, ["a"]), (1, 24, ["a", "b"]), (5, 128, ["x" * 80, "é"])])
def test_unusual_sources_are_drawn_deterministically(tmp_path, write_curated, kept, size, classes):
    table = write_curated("google", classes=classes, kept=kept, size=size)
    for name in ("one", "two"):
        draw(table, tmp_path / f"{name}.png", title="A study " * 30)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_strips_for_a_label_and_for_random_weights(tmp_path, write_curated):
    table = write_curated("google")
    plain = draw(table, tmp_path / "a.png")
    both = draw(table, tmp_path / "b.png", label="Demonstration", random_weights=True)
    warned = draw(table, tmp_path / "c.png", random_weights=True)
    assert plain.getpixel((2, 2)) == sheets.PAPER
    assert both.getpixel((2, 2)) == sheets.NOTE and both.getpixel((2, 2 + sheets.STRIP)) == sheets.WARNING
    assert warned.getpixel((2, 2)) == sheets.WARNING
    assert both.height == plain.height + 2 * sheets.STRIP == warned.height + sheets.STRIP


def test_a_table_that_does_not_fit_the_pixels_is_an_error(tmp_path, write_curated):
    table = write_curated("google")
    np.save(table.with_suffix(".npy"), np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="names row 39 of .* has 3"):
        draw(table, tmp_path / "a.png")


@given(st.integers(0, 300), st.integers(1, 20))
def test_evenly_spaced_rows_are_ordered_distinct_and_even(n, count):
    chosen = sheets.evenly_spaced(list(range(n)), count)
    assert len(chosen) == min(n, count) and chosen == sorted(set(chosen))
    steps = np.diff(chosen)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


def test_a_sheet_imports_neither_matplotlib_nor_pandas():
    import_it = "import sys, distillery.figures.sheets.contact_sheets"
    code = f"{import_it}; print({{'matplotlib', 'pandas', 'torch'}} & {{*sys.modules}})"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert found.stdout == "set()\n", found.stderr


def test_letters_beyond_ascii_are_drawn():
    boxes = {sheets._font(20).getmask(letter).getbbox() for letter in "éßøžπШ–"}
    assert None not in boxes and len(boxes) > 3  # a font draws the same empty box for all letters that it lacks


def test_a_sheet_is_drawn_by_its_kind(tmp_path, write_curated):
    table = write_curated("google")
    files = {"pixels": table.with_suffix(".npy"), "table": table}
    text = {"source": "google", "title": "A study", "label": "Made up"}
    draw_sheet("contact", files, tmp_path / "named.png", side=32, **text)
    sheets.contact_sheet(files["pixels"], table, tmp_path / "direct.png", sheets.SheetHeading(**text))
    assert (tmp_path / "named.png").read_bytes() == (tmp_path / "direct.png").read_bytes()
    with pytest.raises(KeyError):
        draw_sheet("other", files, tmp_path / "x.png", side=32, **text)
