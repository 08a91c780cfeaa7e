"""The summary figure can be drawn for any table, deterministically, and its marks are at the table's numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from distillery.analysis.study_tables.summary_table import SUMMARY_COLUMNS
from distillery.figures import acquisition
from distillery.figures import diversity as diversity_figure
from distillery.figures import layout as figure_layout
from distillery.figures.styles import DISTILLED, DPI, FROM_SCRATCH, WIDTH, arm_styles, lines_of_arms, row_style
from distillery.figures.summary import row_drawing, summary_figure
from distillery.figures.summary.row_drawing import published_pair
from distillery.figures.summary.row_layout import SIZES, lay_out_rows
from distillery.figures.summary.summary_figure import plot_summary
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
    "compared": [
        row("a", "scratch", 30),
        row(
            "a", "kd", 40, versus="scratch", difference=10.0, p_holm="< 0.0001", correction="Holm, within the question"
        ),
    ],
    "seven classes": [row("a", "scratch", 30, n_classes=7), row("b", "kd", 40, n_classes=10)],
    "many arms": [row("a", f"kd_t{i}", 20 + i) for i in range(11)],
    "thirty": [row(f"s{i}", arm, 3 * i, size=SIZES[i % 3]) for i in range(30) for arm in ("scratch", "kd")],
    "digits for names": [row("800", "1", 30), row("007", "1", 40)],
    "extremes": [row("a", "scratch", 0, low=0), row("a", "kd", 100, high=100)],
}


def test_the_subtitle_explains_missing_intervals():
    subtitles = {name: summary_figure._subtitle(made(STUDIES[name])) for name in ("published", "one seed")}
    assert subtitles["published"].endswith("; bars are 95 % intervals of the mean")
    assert subtitles["one seed"].endswith("; one seed, so no intervals")
    agreeing = made([row("a", arm, 100, low=None, high=None) for arm in ("scratch", "kd")])
    assert summary_figure._subtitle(agreeing).endswith("; seeds agree, so no intervals")


@pytest.mark.parametrize("name", STUDIES)
def test_the_figure_can_be_drawn_for_any_study(tmp_path, name):
    made(STUDIES[name]).to_csv(tmp_path / "summary.csv", index=False)
    plot_summary(tmp_path / "summary.csv", tmp_path / "out" / "summary.png", "A study")
    with Image.open(tmp_path / "out" / "summary.png") as image:
        assert image.format == "PNG" and image.width == WIDTH * DPI
        assert np.asarray(image.convert("L")).std() > 5
        assert "Software" not in image.info and not any("ate" in key for key in image.info)
    assert not plt.get_fignums()


def test_the_same_table_gives_the_same_bytes_and_a_label_draws_a_strip(tmp_path):
    made(STUDIES["published"]).to_csv(tmp_path / "summary.csv", index=False)
    for name, label in (("one", "A demonstration"), ("two", "A demonstration"), ("none", "")):
        plot_summary(tmp_path / "summary.csv", tmp_path / f"{name}.png", "A study", label)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    corner = [Image.open(tmp_path / f"{name}.png").convert("RGB").getpixel((3, 3)) for name in ("one", "none")]
    assert corner == [(240, 228, 66), (255, 255, 255)]


def test_an_empty_table_is_an_error(tmp_path):
    made([]).to_csv(tmp_path / "summary.csv", index=False)
    with pytest.raises(UserError, match="has no rows"):
        plot_summary(tmp_path / "summary.csv", tmp_path / "summary.png", "A study")


def test_rows_are_grouped_by_size_and_do_not_overlap():
    table = made([row("l", "kd", 1, size="large"), *[row("s", f"a{i}", 1) for i in range(6)], row("t", "kd", 1)])
    layout = lay_out_rows(table)
    assert [text for _, text in layout.headings] == ["Small", "Large"]
    assert [r.table["scenario"].iloc[0] for r in layout.rows] == ["s", "t", "l"]
    for above, below in zip(layout.rows, layout.rows[1:], strict=False):
        assert above.y + above.height <= below.y + 1e-9
    assert layout.rows[-1].y + layout.rows[-1].height == pytest.approx(layout.height)


def test_the_only_size_of_a_study_is_no_heading():
    layout = lay_out_rows(made([row("s", "kd", 1, size="small"), row("t", "kd", 1, size="small")]))
    assert [text for _, text in layout.headings] == ["Scenarios"]


def test_marks_and_bars_stand_at_the_numbers():
    table = made([row("a", "scratch", 30.0, low=27.0, high=33.0), row("a", "kd", 41.0, low=40.0, high=42.0)])
    figure, axes = plt.subplots()
    styles = arm_styles(["scratch", "kd"])
    row_drawing._draw_arms(axes, table, styles, row_drawing._line_heights(0.0, table, styles))
    drawn = [tuple(np.asarray(line.get_xdata(), dtype=float)) for line in axes.lines]
    heights = [set(line.get_ydata()) for line in axes.lines]
    plt.close(figure)
    assert drawn == [(30.0, 41.0), (27.0, 33.0), (30.0,), (40.0, 42.0), (41.0,)]
    assert heights[0] == heights[2] == heights[4] == {0.0}  # a level bar between the marks
    texts = [(text.get_text(), text.xy[0], text.get_ha()) for text in axes.texts]
    assert texts == [("30.0", 30.0, "right"), ("41.0", 41.0, "left")]


def test_arms_share_a_line_in_pairs():
    assert lines_of_arms(["scratch", "kd"]) == [("scratch", "kd")] and lines_of_arms(["a"]) == [("a",)]
    arms = ["scratch", "dkd", "published_kd", "kd", "published_scratch"]
    assert lines_of_arms(arms) == [("scratch", "kd"), ("published_scratch", "published_kd"), ("dkd",)]


def test_differences_and_their_p_stand_at_the_right_inside_the_figure(monkeypatch):
    table = made(STUDIES["compared"])
    figure = summary_figure._draw(table, "A study", "")
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    texts = {text.get_text(): text.get_window_extent(renderer) for text in figure.axes[0].texts}
    plt.close(figure)
    for words in ("+10.00, p < 0.0001: distilled − from scratch", "difference, p (Holm, within the question)"):
        assert figure.axes[0].get_window_extent().x1 < texts[words].x0 < texts[words].x1 < figure.bbox.width


def test_each_of_many_differences_stands_beside_its_arm_inside_the_figure():
    arms = ["scratch", "kd", "kd_trained_teacher_and_more", "published_scratch", "published_kd"]
    compared = {"p_holm": "< 0.0001", "difference": -35.96, "versus": "scratch"}
    table = made([row("a", arm, 30.0, **(compared if arm != "scratch" else {})) for arm in arms])
    with row_style():  # its figures have the dots per inch of the saved ones
        figure = summary_figure._draw(table, "A study", "")
    figure.draw_without_rendering()
    renderer, (axes, *_) = figure.canvas.get_renderer(), figure.axes
    lines = [text for text in axes.texts if text.get_text().endswith("against from scratch")]
    plt.close(figure)
    assert figure.dpi == DPI and len(lines) == 4 and len({line.get_position()[1] for line in lines}) == 4
    assert all(line.get_text().startswith("−35.96, p < 0.0001: ") for line in lines)
    assert all(line.get_window_extent(renderer).x1 < figure.bbox.width for line in lines)


def test_arms_differ_in_color_and_shape():
    known = arm_styles(["kd", "published_kd", "scratch", "kd_hot"])
    assert list(known)[:2] == ["scratch", "kd"] and known["scratch"] is FROM_SCRATCH and known["kd"] is DISTILLED
    assert len({style.color for style in known.values()}) == len({style.marker for style in known.values()}) == 4
    assert known["published_kd"].name == "published recipe, distilled"


def test_no_two_of_many_arms_share_a_style():
    known = arm_styles([f"arm{i}" for i in range(20)])
    assert len({(style.color, style.marker) for style in known.values()}) == 20


def test_published_numbers_come_from_the_website_else_the_notebook():
    table = made([row("a", "scratch", 1, published_site=15.0, published_notebook=14.0), row("a", "kd", 1)])
    assert published_pair(table) == [(FROM_SCRATCH, 15.0)]
    assert published_pair(made(STUDIES["published"])) == [(FROM_SCRATCH, 15.61), (DISTILLED, 39.0)]


def test_scenarios_of_an_untrained_model_say_so():
    table = made([row("a", "scratch", 10, untrained="SD2"), row("b", "scratch", 30)])
    notes = [row_drawing._row_note(group) for _, group in table.groupby("scenario")]
    assert notes[0].startswith("SD2: random weights") and "random" not in notes[1]


@pytest.mark.parametrize("length", [5, 90, 150, 400])
def test_title_and_text_fit_the_figure(length):
    figure = plt.figure(figsize=(7.5, 3))
    title = ("Which images teach best " * 20)[:length].strip()
    figure_layout.draw_title_block(figure, title, f"{title} and more of it below", "")
    renderer = figure.canvas.get_renderer()
    for text, wanted in zip(figure.texts, (title, f"{title} and more of it below"), strict=True):
        box = text.get_window_extent(renderer)
        assert 0 < box.x0 and box.x1 < figure.bbox.width - 0.2 * figure.dpi
        assert text.get_fontsize() >= figure_layout.MIN_FONT
        assert text.get_text() == wanted or text.get_fontsize() == figure_layout.MIN_FONT
    plt.close(figure)
    assert (figure.texts[0].get_fontsize() == 15) == (length == 5)


LONG = "kd_at_a_temperature_of_4_and_no_warm_up"


def summary_of_long_names(folder):
    table = made([row("a", arm, 30) for arm in ("scratch", *(f"{LONG}_{i}" for i in range(7)))])
    return summary_figure._draw(table, "A study", "")


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
    pd.DataFrame(rows, columns=columns).to_csv(folder / "diversity.csv", index=False)
    diversity_figure.plot_diversity(folder / "diversity.csv", "", "A study")


@pytest.mark.parametrize("draw", [summary_of_long_names, acquisition_of_long_names, diversity_of_long_names])
def test_long_names_lie_inside_the_figure_and_the_legend_above_the_panel(draw, tmp_path, monkeypatch):
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


def test_dollar_signs_are_not_parsed_as_formulas(tmp_path):
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
    pd.DataFrame(rows).to_csv(tmp_path / "diversity.csv", index=False)
    diversity_figure.plot_diversity(tmp_path / "diversity.csv", tmp_path / "diversity.png", "At $5 and $10^")
    assert figure_layout.text_width("$a$ and $b$", 9) > figure_layout.text_width("a and b", 9)
