"""Figures of a study whose sources refused: a row without numbers in the summary, notes below the other figures."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from distillery.analysis.study_tables.summary_table import SUMMARY_COLUMNS
from distillery.figures import acquisition, registry
from distillery.figures.sheets.contact_sheets import class_rows
from distillery.figures.summary.summary_figure import _draw
from distillery.jobs import UserError

REASON = "google refused (captcha)"
REFUSED = {"google": {"cat": "captcha"}}
NOTE = f"{REASON}; scenarios that train on a source that refused are not run"


def summary_with_and_without_numbers():
    lost = {"scenario": "a", "size": "small", "train": "8 Google", "not_run": REASON}
    run = {"scenario": "b", "size": "small", "arm": "kd", "train": "8 Bing", "low": 30.0, "high": 50.0}
    run |= {"n_train": 8, "n_train_requested": 8, "n_test": 20, "n_classes": 10, "n_seeds": 2, "mean_percent": 40.0}
    return pd.DataFrame([lost | {"arm": "scratch"}, lost | {"arm": "kd"}, run]).reindex(columns=list(SUMMARY_COLUMNS))


def texts(figure):
    found = [text.get_text() for text in figure.findobj(plt.Text)]
    plt.close(figure)
    return found


def test_the_summary_has_a_hollow_row_with_the_reason():
    table = summary_with_and_without_numbers()
    figure = _draw(table, "A study", "")
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in hollow] == [[0]]
    found = texts(figure)
    assert f"not run: {REASON}" in found and "a" in found and "8 Google" in found
    assert "from scratch" not in found  # no mark has its style
    table.insert(26, "lacking", "google (captcha) in the common test")
    assert "Missing because the source refused: google (captcha) in the common test" in texts(_draw(table, "A", ""))


@pytest.fixture
def saved(monkeypatch):
    """The texts in each figure that is saved."""
    found = []
    for module in (registry, acquisition):
        monkeypatch.setattr(module, "save_figure", lambda figure, *_: found.append(texts(figure)))
    return found


def test_figures_of_the_summary_leave_it_out_and_have_a_note(saved, tmp_path):
    summary_with_and_without_numbers().to_csv(tmp_path / "summary.csv", index=False)
    registry.plot_figure("sizes", [tmp_path / "summary.csv"], ["x.png"], "A study", refused=REFUSED)
    assert NOTE in saved[0] and "Bing" in saved[0] and "Google" not in saved[0]
    assert not any(NOTE in found for found in saved[1:])
    registry.plot_figure("sizes", [tmp_path / "summary.csv"], ["x.png"], "A study")
    assert NOTE not in saved[1]


@pytest.mark.parametrize("name", ["comparisons", "faults"])
def test_a_figure_without_anything_to_draw_says_so_if_a_source_refused(saved, tmp_path, name):
    table = tmp_path / ("comparisons.csv" if name == "comparisons" else "summary.csv")
    (pd.DataFrame({"comparison": []}) if name == "comparisons" else summary_with_and_without_numbers()).to_csv(
        table, index=False
    )
    registry.plot_figure(name, [table], ["x.png"], "A study", refused=REFUSED)
    assert NOTE in saved[0] and any("nothing to draw" in text for text in saved[0])
    with pytest.raises(UserError):
        registry.plot_figure(name, [table], ["x.png"], "A study")


def test_the_acquisition_figure_shows_sources_that_refused(saved, tmp_path):
    counts = {"source": ["google", "google", "bing", "bing", "sd3"], "class": ["cat", "dog"] * 2 + ["cat"]}
    counts |= {
        "candidates": [0, 0, 9, 0, 4],
        "kept": [0, 0, 6, 0, 4],
        "train": [0, 0, 3, 0, 4],
        "dropped_blank": [0, 0, 3, 0, 0],
    }
    counts |= {"val": 0, "test": 0, "retrieved": 0, "refused": ["captcha", "captcha", np.nan, "unreachable", np.nan]}
    pd.DataFrame(counts).to_csv(tmp_path / "counts.csv", index=False)
    registry.plot_figure("acquisition", [tmp_path / "counts.csv"], ["x.png"], "A study", refused=REFUSED)
    assert "refused (captcha)" in saved[0] and "bing\n9 candidates\nrefused (unreachable)" in saved[0]
    assert "sd3\n4 candidates" in saved[0] and NOTE in saved[0]


def test_a_contact_sheet_names_the_reason_in_place_of_counts(write_curated):
    rows = class_rows(write_curated("google", kept=0, reasons=("refused: captcha",)))
    assert [(row.candidates, row.reasons, row.lines) for row in rows] == [(0, [], ["refused:", "captcha"])] * 2
