"""The summary figure draws every table that can be made, twice the same; its parts stand where the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from distillery.analysis.study_tables.summary_table import SUMMARY_COLUMNS
from distillery.figures import acquisition
from distillery.figures import diversity as diversity_figure
from distillery.figures import summary as figures
from distillery.figures.summary import KD, SCRATCH, arm_styles, lay_out, plot_summary, published_pair
from distillery.jobs import UserError


def row(scenario, arm, mean, **other):
    values = {
        "scenario": scenario, "size": "small", "arm": arm, "train": "800 Google", "n_train": 800, "n_test": 200,
        "n_classes": 10, "n_seeds": 6, "mean_percent": mean, "low": mean - 2, "high": mean + 2,
    }  # fmt: skip
    return values | other


def made(rows):
    return pd.DataFrame(rows).reindex(columns=SUMMARY_COLUMNS)


ONE_SEED = {"n_seeds": 1, "low": None, "high": None}
STUDIES = {
    "published": [row("a", "scratch", 30, published_site=15.61), row("a", "kd", 40, published_notebook=39.0)],
    "one seed": [row("a", arm, 30, **ONE_SEED) for arm in ("scratch", "kd")],
    "only scratch": [row("a", "scratch", 30)],
    "seven classes": [row("a", "scratch", 30, n_classes=7), row("b", "kd", 40, n_classes=10)],
    "many arms": [row("a", f"kd_t{i}", 20 + i) for i in range(11)],
    "thirty": [row(f"s{i}", arm, 3 * i, size=figures.SIZES[i % 3]) for i in range(30) for arm in ("scratch", "kd")],
    "digits for names": [row("800", "1", 30), row("007", "1", 40)],
    "extremes": [row("a", "scratch", 0, low=0), row("a", "kd", 100, high=100)],
}


def test_no_interval_is_explained():
    said = {name: figures._subtitle(made(STUDIES[name])) for name in ("published", "one seed")}
    assert said["published"].endswith("; bars are 95 % intervals of the mean")
    assert said["one seed"].endswith("; one seed, so no intervals")
    agreeing = made([row("a", arm, 100, low=None, high=None) for arm in ("scratch", "kd")])
    assert figures._subtitle(agreeing).endswith("; seeds agree, so no intervals")


@pytest.mark.parametrize("name", STUDIES)
def test_any_study_is_drawn(tmp_path, name):
    made(STUDIES[name]).to_csv(tmp_path / "summary.csv", index=False)
    plot_summary(tmp_path / "summary.csv", tmp_path / "out" / "summary.png", "A study")
    with Image.open(tmp_path / "out" / "summary.png") as image:
        assert image.format == "PNG" and image.width == figures.WIDTH * figures.DPI
        assert np.asarray(image.convert("L")).std() > 5
        assert "Software" not in image.info and not any("ate" in key for key in image.info)
    assert not plt.get_fignums()


def test_the_same_table_gives_the_same_bytes_and_the_label_a_strip(tmp_path):
    made(STUDIES["published"]).to_csv(tmp_path / "summary.csv", index=False)
    for name, label in (("one", "A demonstration"), ("two", "A demonstration"), ("none", "")):
        plot_summary(tmp_path / "summary.csv", tmp_path / f"{name}.png", "A study", label)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    corner = [Image.open(tmp_path / f"{name}.png").convert("RGB").getpixel((3, 3)) for name in ("one", "none")]
    assert corner == [(240, 228, 66), (255, 255, 255)]


def test_an_empty_table_is_said(tmp_path):
    made([]).to_csv(tmp_path / "summary.csv", index=False)
    with pytest.raises(UserError, match="has no rows"):
        plot_summary(tmp_path / "summary.csv", tmp_path / "summary.png", "A study")


def test_rows_are_grouped_by_size_and_never_overlap():
    table = made([row("l", "kd", 1, size="large"), *[row("s", f"a{i}", 1) for i in range(6)], row("t", "kd", 1)])
    layout = lay_out(table)
    assert [text for _, text in layout.headings] == ["Small", "Large"]
    assert [r.table["scenario"].iloc[0] for r in layout.rows] == ["s", "t", "l"]
    for above, below in zip(layout.rows, layout.rows[1:], strict=False):
        assert above.y + above.height <= below.y + 1e-9
    assert layout.rows[-1].y + layout.rows[-1].height == pytest.approx(layout.height)


def test_marks_and_bars_stand_at_the_numbers():
    table = made([row("a", "scratch", 30.0, low=27.0, high=33.0), row("a", "kd", 41.0, low=40.0, high=42.0)])
    figure, axes = plt.subplots()
    figures._ours(axes, 0.0, table, arm_styles(["scratch", "kd"]))
    drawn = [tuple(np.asarray(line.get_xdata(), dtype=float)) for line in axes.lines]
    plt.close(figure)
    assert drawn == [(30.0, 41.0), (27.0, 33.0), (30.0,), (40.0, 42.0), (41.0,)]


def test_arms_differ_in_color_and_shape():
    known = arm_styles(["kd", "published_kd", "scratch", "kd_hot"])
    assert list(known)[:2] == ["scratch", "kd"] and known["scratch"] is SCRATCH and known["kd"] is KD
    assert len({look.color for look in known.values()}) == len({look.marker for look in known.values()}) == 4
    assert known["published_kd"].name == "published recipe, kd"


def test_no_two_of_many_arms_look_alike():
    known = arm_styles([f"arm{i}" for i in range(20)])
    assert len({(look.color, look.marker) for look in known.values()}) == 20


def test_published_is_the_website_else_the_notebook():
    table = made([row("a", "scratch", 1, published_site=15.0, published_notebook=14.0), row("a", "kd", 1)])
    assert published_pair(table) == [(SCRATCH, 15.0)]
    assert published_pair(made(STUDIES["published"])) == [(SCRATCH, 15.61), (KD, 39.0)]


def test_a_model_that_was_never_trained_is_named_under_its_scenarios():
    table = made([row("a", "scratch", 10, untrained="SD2"), row("b", "scratch", 30)])
    said = [figures._rests_on(group) for _, group in table.groupby("scenario")]
    assert said[0].startswith("SD2: random weights") and "random" not in said[1]


@pytest.mark.parametrize("length", [5, 90, 150, 400])
def test_a_heading_fits_its_figure(length):
    figure = plt.figure(figsize=(7.5, 3))
    title = ("Which images teach best " * 20)[:length].strip()
    figures.title_block(figure, title, f"{title} and more of it below", "")
    renderer = figure.canvas.get_renderer()
    for text, wanted in zip(figure.texts, (title, f"{title} and more of it below"), strict=True):
        box = text.get_window_extent(renderer)
        assert 0 < box.x0 and box.x1 < figure.bbox.width - 0.2 * figure.dpi
        assert text.get_fontsize() >= figures.LEAST_FONT
        assert text.get_text() == wanted or text.get_fontsize() == figures.LEAST_FONT
    plt.close(figure)
    assert (figure.texts[0].get_fontsize() == 15) == (length == 5)


LONG = "kd_at_a_temperature_of_4_and_no_warm_up"


def summary_of_long_names(folder):
    table = made([row("a", arm, 30) for arm in ("scratch", *(f"{LONG}_{i}" for i in range(7)))])
    return figures._draw(table, "A study", "")


def acquisition_of_long_names(folder):
    rows = {"source": [LONG, "bing"], "class": "cat", "candidates": 100, "retrieved": 90, "kept": 50, "train": 20}
    dropped = {f"dropped_{LONG}_{i}": 5 for i in range(9)}
    pd.DataFrame(rows | {"val": 5, "test": 5} | dropped).to_csv(folder / "counts.csv", index=False)
    acquisition.plot_acquisition(folder / "counts.csv", "", "A study")


def diversity_of_long_names(folder):
    rows = [
        (f"{LONG}_{i}", name, 1, 9, 0.3, 0.2, 0.4) for i in range(9) for name in ("great_spotted_woodpecker", "dog")
    ]
    columns = ["source", "class", "generated", "images", "distance", "low", "high"]
    diversity_figure._plot(pd.DataFrame(rows, columns=columns), "", "A study", "", [])


@pytest.mark.parametrize("draw", [summary_of_long_names, acquisition_of_long_names, diversity_of_long_names])
def test_long_names_stay_inside_and_the_legend_clear_of_the_panel(draw, tmp_path, monkeypatch):
    for module in (acquisition, diversity_figure):
        monkeypatch.setattr(module, "save_figure", lambda figure, *outputs: None)
    draw(tmp_path)
    figure = plt.gcf()
    figure.draw_without_rendering()
    renderer, axes = figure.canvas.get_renderer(), figure.axes[0]
    boxes = [text.get_window_extent(renderer) for text in [*figure.legends[0].get_texts(), *axes.get_yticklabels()]]
    plt.close(figure)
    assert len(boxes) >= 9 and all(0 < box.x0 and box.x1 < figure.bbox.width for box in boxes)
    assert figure.legends[0].get_window_extent(renderer).y0 > axes.get_window_extent(renderer).y1


def test_dollars_are_no_mathematics(tmp_path):
    made([row("cost_$\\a$", "scratch", 30, train="800 $^$")]).to_csv(tmp_path / "summary.csv", index=False)
    plot_summary(tmp_path / "summary.csv", tmp_path / "summary.png", "Worth $\\a$?", "Not $^$")
    rows = {
        "source": ["$_$"],
        "class": ["$\\b$"],
        "generated": 0,
        "images": 9,
        "distance": 0.3,
        "low": 0.2,
        "high": 0.4,
    }
    diversity_figure._plot(pd.DataFrame(rows), tmp_path / "diversity.png", "At $5 and $10^", "", [])
    assert figures.text_width("$a$ and $b$", 9) > figures.text_width("a and b", 9)
