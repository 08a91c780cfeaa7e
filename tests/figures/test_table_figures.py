"""Figures of tables can be drawn for any number of arms and scenarios, deterministically, with the tables' numbers."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from distillery.figures import difference_charts, heatmaps, line_charts, registry
from distillery.figures.panels import MIN_WIDTH, PanelLayout, panel_grid
from distillery.figures.styles import DPI
from distillery.jobs import UserError

ROOT = Path(__file__).parents[2]
CAPTIONS = yaml.safe_load((ROOT / "workflow" / "report" / "figures.yaml").read_text())
CLASSES = ["cat", "dog", "emu"]


def made(arms, scenarios, seeds=6):
    """Tables with the columns that figures use; numbers differ by scenario and arm."""
    low = np.nan if seeds == 1 else -2
    keys = [(s, a, 20 + 3 * i + j) for i, s in enumerate(scenarios) for j, a in enumerate(arms)]
    trains = {s: (400 * (1 + i % 4), "Google" if i % 2 else "Bing") for i, s in enumerate(scenarios)}
    summary = pd.DataFrame([
        {"scenario": s, "arm": a, "train": f"{trains[s][0]:,} {trains[s][1]}", "n_train": trains[s][0],
         "n_train_requested": trains[s][0], "n_classes": 10, "clean": np.nan,
         "mean_percent": m, "low": m + low, "high": m - low,
         "published_site": 15.0, "published_notebook": np.nan}
        for s, a, m in keys
    ])  # fmt: skip
    cells = [(s, a, m, name) for s, a, m in keys for name in CLASSES]
    per_class = pd.DataFrame([{"scenario": s, "arm": a, "class": c, "mean_percent": m} for s, a, m, c in cells])
    sources = per_class.rename(columns={"class": "test"}).replace({"cat": "common", "dog": "google", "emu": "bing"})
    confusion = pd.DataFrame(
        [{"scenario": s, "arm": a, "class": c, "predicted": p, "percent": m} for s, a, m, c in cells for p in CLASSES]
    )
    curves = pd.DataFrame([
        {"scenario": s, "arm": a, "step": step, "loss": 2 / step, "loss_low": 1 / step, "loss_high": 3 / step,
         "val_percent": m, "val_low": m + low, "val_high": m - low}
        for s, a, m in keys for step in (1, 2, 3)
    ])  # fmt: skip
    reliability = pd.DataFrame([
        {"scenario": s, "arm": a, "n": 50, "confidence_percent": c, "accuracy_percent": m}
        for s, a, m in keys for c in (30, 60)
    ])  # fmt: skip
    sides = {
        "question": "Is it better?",
        "verdict": "",
        "correction": "Holm, within the question",
        "not_covered": "teacher",
    }
    comparisons = pd.DataFrame([
        sides | {"comparison": a, "scenario": s, "versus_scenario": s, "arm": a,
                 "versus_arm": "scratch", "difference": m - 30,
                 "low": m - 30 + low, "high": m - 30 - low, "low_given_images": m - 31,
                 "high_given_images": m - 29, "p_holm": "0.012"}
        for s, a, m in keys
    ])  # fmt: skip
    published = pd.DataFrame([
        {"scenario": s, "arm": "kd", "published_notebook": 30.0, "published_site": 31.0, "ours_percent": m,
         "single_low": m + low, "single_high": m - low, "within": "no"}
        for s, _, m in keys
    ])  # fmt: skip
    teacher = pd.DataFrame(
        {"teacher": "all", "test": ["own", "google"], "class": "all", "accuracy_percent": [90.0, 80.0]}
    )
    counts = pd.DataFrame([
        {"source": s, "class": c, "candidates": 9, "retrieved": 8, "kept": 7, "train": 3, "val": 1, "test": 2,
         "dropped_broken": 2}
        for s in scenarios for c in CLASSES
    ])  # fmt: skip
    diversity = pd.DataFrame([
        {"source": s, "class": c, "generated": i % 2, "images": 9, "distance": 0.2, "low": 0.1, "high": 0.3}
        for i, s in enumerate(scenarios) for c in CLASSES
    ])  # fmt: skip
    return {
        "counts": counts, "diversity": diversity,
        "summary": summary, "per_class": per_class, "test_sources": sources, "confusion": confusion, "curves": curves,
        "reliability": reliability, "comparisons": comparisons, "published": published, "teacher": teacher,
    }  # fmt: skip


def written(folder, tables):
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def drawn(folder, name, label=""):
    outputs = [folder / f"{name}.{end}" for end in ("png", "svg")]
    registry.plot_figure(
        name, [folder / f"{table}.csv" for table in CAPTIONS[name]["tables"]], outputs, "A study", label
    )
    return outputs


ARMS = [
    "scratch",
    "kd",
    "published_scratch",
    "published_kd",
    "dkd",
    "dist",
    "hard_teacher",
    "label_smoothing",
    "a",
    "b",
]
STUDIES = {
    "two arms": (["scratch", "kd", "published_kd"], ["a", "b"], 6),
    "ten arms": (ARMS, ["a", "b", "c"], 6),
    "one run": (["kd", "published_kd"], ["a"], 1),
    "other names": (["ours", "published_ours"], ["a", "b"], 3),
    "digits for names": (["1", "published_1", "4"], ["800", "007"], 3),
}


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("name", CAPTIONS)
def test_every_figure_can_be_drawn_for_any_study(tmp_path, name, study):
    png, svg = drawn(written(tmp_path / "t", made(*STUDIES[study])), name)
    with Image.open(png) as image:
        assert image.width >= MIN_WIDTH * DPI - 1 and np.asarray(image.convert("L")).std() > 3
        assert "Software" not in image.info
    assert svg.read_text().startswith("<?xml") and "<dc:date>" not in svg.read_text()
    assert not plt.get_fignums()


@pytest.mark.parametrize("name", CAPTIONS)
def test_the_same_tables_give_the_same_bytes(tmp_path, name):
    folder = written(tmp_path / "t", made(["scratch", "kd", "published_kd"], ["a"]))
    first = [path.read_bytes() for path in drawn(folder, name, "A demonstration")]
    other = next(each for each in CAPTIONS if each != name)
    wanted, together = {each: CAPTIONS[each]["tables"] for each in (other, name)}, tmp_path / "together"
    tables = {table: folder / f"{table}.csv" for needed in wanted.values() for table in needed}
    outputs = [together / f"{each}.{kind}" for each in wanted for kind in ("png", "svg")]
    headings = {other: "Another", name: "A study"}
    registry.plot_figures(wanted, list(tables.values()), outputs, headings, label="A demonstration")
    assert first == [(together / f"{name}.{kind}").read_bytes() for kind in ("png", "svg")]
    assert Image.open(folder / f"{name}.png").convert("RGB").getpixel((3, 3)) == (240, 228, 66)


def test_the_tables_that_figures_are_drawn_from_are_made():
    needed = {table for about in CAPTIONS.values() for table in about["tables"]}
    assert needed - set(made(["kd"], ["a"])) == set(), "tables that `made` lacks"


def test_every_figure_has_a_caption_and_an_empty_table_is_an_error(tmp_path):
    assert {*CAPTIONS, "summary"} == set(registry.FIGURES)  # the summary's caption is in a separate file
    keys = {"title", "category", "tables"}
    for name, about in CAPTIONS.items():
        assert keys <= set(about) <= keys | {"subcategory"}, f"{name} (its caption is in figure_{name}.rst)"
    assert {about["category"] for about in CAPTIONS.values()} == {"Charts", "Images"}
    tables = made(["kd"], ["a"])
    folder = written(tmp_path / "t", tables | {"summary": tables["summary"][:0]})
    with pytest.raises(UserError, match="summary.csv has no rows"):
        drawn(folder, "sizes")


@pytest.mark.parametrize("name", ["sizes", "confusion", "curves"])
def test_dollar_signs_are_not_parsed_as_formulas(tmp_path, name):
    folder = written(tmp_path / "t", made(["scratch", "kd"], ["a"]))
    tables = [folder / f"{table}.csv" for table in CAPTIONS[name]["tables"]]
    registry.plot_figure(name, tables, [folder / "figure.png"], "Cost $\\a$")
    assert (folder / "figure.png").exists()


def numbers_of(figure):
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]


def test_cells_show_the_numbers_of_the_tables():
    tables = made(["kd", "scratch"], ["a", "b"])
    figure = heatmaps.draw_test_sources(tables, "A study", "")
    scratch, kd = numbers_of(figure)
    assert scratch == ["21"] * 3 + ["24"] * 3 + ["80"] and kd == ["20"] * 3 + ["23"] * 3 + ["80"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["from scratch", "distilled"]
    plt.close(figure)


@pytest.mark.parametrize(("name", "draw"), [("test_sources", "draw_test_sources"), ("per_class", "draw_classes")])
def test_a_row_shows_the_same_scenario_in_every_panel(name, draw):
    tables = made(["scratch", "kd"], ["a", "b", "c"])
    whole = tables[name]
    tables[name] = whole[(whole["arm"] == "scratch") | (whole["scenario"] == "c")]
    figure = getattr(heatmaps, draw)(tables, "A study", "")
    plt.close(figure)
    scratch, kd = (np.asarray(axes.images[0].get_array().filled(np.nan), float) for axes in figure.axes)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][:3] == ["a", "b", "c"]
    assert scratch[:3, 0].tolist() == [20, 23, 26] and kd[2, 0] == 27 and np.isnan(kd[:2]).all()


def confusions(pairs, classes):
    rows = [(s, a, c, c, 50.0) for s, a in pairs for c in classes]
    return {"confusion": pd.DataFrame(rows, columns=["scenario", "arm", "class", "predicted", "percent"])}


def labels(axes):
    return [[text.get_text() for text in axis.get_ticklabels()] for axis in (axes.yaxis, axes.xaxis)]


def test_every_confusion_matrix_has_a_title_and_class_labels():
    pairs = [("small_google_rotation", "scratch"), ("small_google_rotation", "published_scratch")]
    pairs += [("small_google_rotation", "published_kd"), ("b", "published_scratch"), ("c", "kd")]
    figure = heatmaps.draw_confusion(confusions(pairs, CLASSES), "A study", "")
    plt.close(figure)
    drawn = {axes.get_title(loc="left"): labels(axes) for axes in figure.axes if axes.axison}
    assert drawn.pop("") == [[], ["0", "50", "100 %"]]  # the color bar
    assert drawn == {
        "small_google_rotation\nfrom scratch": [CLASSES, CLASSES],
        "small_google_rotation\npublished recipe, from scratch": [[], []],
        "small_google_rotation\npublished recipe, distilled": [[], CLASSES],
        "b\npublished recipe, from scratch": [CLASSES, CLASSES],
        "c\ndistilled": [CLASSES, CLASSES],
    }


def test_a_confusion_matrix_has_a_column_for_every_predicted_class():
    table = confusions([("a", "kd")], CLASSES)["confusion"]
    table.loc[len(table)] = ["a", "kd", "cat", "bird", 7.0]  # trained on, not tested
    figure = heatmaps.draw_confusion({"confusion": table}, "A study", "")
    plt.close(figure)
    assert labels(figure.axes[0])[1] == [*CLASSES, "bird"]
    assert figure.axes[0].images[0].get_array()[0, -1] == 7


@pytest.mark.parametrize(("arms", "count"), [(2, 3), (2, 100), (4, 13), (10, 40)])
def test_labels_of_confusion_matrices_do_not_overlap_and_lie_inside(arms, count):
    classes = [f"spotted_woodpecker_{i}" for i in range(count)]
    figure = heatmaps.draw_confusion(confusions([("a", arm) for arm in ARMS[:arms]], classes), "A study", "")
    renderer, axes = figure.canvas.get_renderer(), figure.axes[0]
    for axis, side in ((axes.yaxis, "height"), (axes.xaxis, "width")):
        boxes = [text.get_window_extent(renderer) for text in axis.get_ticklabels() if text.get_text()]
        places = sorted(box.y1 if side == "height" else box.x1 for box in boxes)
        assert len(boxes) >= min(count, 15) and min(np.diff(places)) >= 0.11 * figure.dpi
        assert all(box.x0 > 0 and box.y0 > 0 for box in boxes)
    plt.close(figure)


@pytest.mark.parametrize("draw", [line_charts.draw_curves, line_charts.draw_reliability, line_charts.draw_sizes])
@pytest.mark.parametrize("scenarios", [1, 6])
def test_a_legend_lies_inside_the_figure_and_above_the_panels(draw, scenarios):
    arms = ["scratch", *(f"kd_at_a_temperature_of_{i}_and_no_warm_up" for i in range(7))]
    tables = made(arms, [f"s{i}" for i in range(scenarios)])
    tables["summary"]["train"] = [f"800 {arm} + 800 Openverse" for arm in tables["summary"]["arm"]]
    tables["summary"]["scenario"] = tables["summary"]["train"]
    figure = draw(tables, "A study", "")
    renderer = figure.canvas.get_renderer()
    box = figure.legends[0].get_window_extent(renderer)
    tops = [axes._left_title.get_window_extent(renderer).y1 for axes in figure.axes]
    plt.close(figure)
    assert 0 < box.x0 and box.x1 < figure.bbox.width and max(tops) < box.y0


def test_long_class_names_lie_inside_the_figure():
    tables = made(["scratch", "kd"], ["a"])
    tables["per_class"]["class"] = tables["per_class"]["class"].replace("cat", "great_spotted_woodpecker")
    figure = heatmaps.draw_classes(tables, "A study", "")
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for axes in figure.axes for text in axes.get_xticklabels()]
    plt.close(figure)
    assert len(boxes) == 6 and all(box.x0 > 0 and box.y0 > 0 for box in boxes)


def test_marks_stand_at_the_numbers_of_the_tables():
    tables = made(["scratch", "kd"], ["a", "b", "c"])
    figure = difference_charts.draw_comparisons(tables, "A study", "")
    points = [line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert points == [[[-10, 0]], [[-7, 1]], [[-4, 2]]]
    plt.close(figure)
    figure = line_charts.draw_sizes(tables, "A study", "")
    points = sorted(line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_linestyle() == "None")
    assert [[y for _, y in line] for line in points] == [[20, 26], [23]]
    # marks are side by side, each moved by less than a tenth
    assert np.allclose([x for line in points for x, _ in line], [400, 1200, 800], rtol=0.1)
    assert points[0][0][0] != 400
    plt.close(figure)


def test_a_row_of_a_comparison_is_named_by_what_varies():
    def names(rows):
        columns = ["versus_scenario", "scenario", "arm", "versus_arm"]
        rows = [(*row, "scratch")[:4] for row in rows]
        return list(difference_charts._row_names(pd.DataFrame(rows, columns=columns)))

    assert names([("a", "a", "kd"), ("b", "b", "kd")]) == ["a", "b"]
    assert names([("a", "a", "kd"), ("a", "a", "dkd")]) == ["distilled", "dkd"]
    assert names([("a", "a", "kd"), ("b", "b", "dkd")]) == ["distilled, a", "dkd, b"]
    assert names([("a", "b", "kd", "kd"), ("a", "b", "dkd", "dkd")]) == ["distilled", "dkd"]
    assert names([("a", "b", "kd", "scratch")]) == ["distilled, b − from scratch, a"]


@pytest.mark.parametrize("count", [1, 5, 26])
def test_panels_do_not_overlap_and_lie_inside_the_figure(count):
    figure, axes = panel_grid(count, 4, PanelLayout(2.0, 1.5, legend=0.4), "A study", "text", "label")
    boxes = [axis.get_position() for axis in axes]
    plt.close(figure)
    assert len(boxes) == count
    assert all(0 < box.x0 < box.x1 < 1 and 0 < box.y0 < box.y1 < 1 for box in boxes)
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            assert one.x0 >= other.x1 or other.x0 >= one.x1 or one.y0 >= other.y1 or other.y0 >= one.y1
