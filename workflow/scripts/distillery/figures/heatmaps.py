"""Heat maps: accuracy by test source, accuracy by class, and confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distillery.display_names import NO_TITLES, source_title
from distillery.figures.layout import strip_height, text_width, truncate
from distillery.figures.panels import EDGE, TITLE_HEIGHT, PanelLayout, panel_grid, panel_title
from distillery.figures.styles import INK, arm_styles, hide_spines

COLORS = "cividis"  # perceptually uniform, also in grayscale and for color-blind readers (Nuñez et al. 2018)
CELL = 0.52, 0.27  # width and height, inches
NAME = 26  # characters of a row's or column's name, at most
FONT, LABEL = 8, 0.13  # points of a label, and inches that its line needs
MIN_CELL = 0.18  # inches; smaller cells of a matrix have no room for a number
SMALLEST = 0.5  # percent; smaller numbers are not printed, so that large ones are easy to find
TITLE_FONTS = 9.5, 8  # points of a panel's title: short and long ones


def draw_test_sources(
    tables: dict[str, pd.DataFrame], title: str, label: str, titles: Mapping[str, str] = NO_TITLES
) -> Figure:
    """Accuracy by scenario (rows) and test source (columns), a panel per arm. The last row is the teacher.

    Args:
        tables: `test_sources` and `teacher`.
        title: the figure's heading.
        label: text of a strip across the top; no strip if empty.
        titles: title of each source, from `display_names.source_titles`; names by default.
    """
    table, teacher = tables["test_sources"], tables["teacher"]
    tests, scenarios = (list(dict.fromkeys(table[name])) for name in ("test", "scenario"))
    overall = (teacher["teacher"] == "all") & (teacher["class"] == "all")
    teacher_percent = teacher[overall].set_index("test")["accuracy_percent"]
    grids = {}
    for arm, rows in table.groupby("arm", sort=False):
        # every panel has all scenarios, because only the first one in a row has their names
        grid = rows.pivot(index="scenario", columns="test", values="mean_percent").reindex(scenarios, columns=tests)
        grids[str(arm)] = pd.concat([grid, teacher_percent.reindex(tests).to_frame("teacher").T])
    names = ["common" if test == "common" else source_title(test, titles) for test in tests]
    text = "accuracy on each source's test images, percent, mean over seeds"
    return _panel_per_arm(grids, names, title, text, label)


def draw_classes(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Accuracy by scenario (rows) and class (columns), a panel per arm."""
    table = tables["per_class"]
    classes, scenarios = (list(dict.fromkeys(table[name])) for name in ("class", "scenario"))
    grids = {
        str(arm): rows.pivot(index="scenario", columns="class", values="mean_percent").reindex(
            scenarios, columns=classes
        )
        for arm, rows in table.groupby("arm", sort=False)
    }
    return _panel_per_arm(grids, classes, title, "accuracy by class, percent, mean over seeds", label)


def draw_confusion(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Confusion matrices: true classes in rows, predicted classes in columns; a row of panels per scenario."""
    table = tables["confusion"]
    scenarios = list(dict.fromkeys(table["scenario"]))
    # a class without test images has a column and an empty row
    classes = list(dict.fromkeys([*table["class"], *table["predicted"]]))
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    grids: dict[Any, pd.DataFrame] = dict(list(table.groupby(["scenario", "arm"], sort=False)))
    drawn = [pair for pair in product(scenarios, arms) if pair in grids]
    # leftmost panel of each scenario, lowest panel of each arm: not every scenario has every arm
    first, last = dict(reversed(drawn)), {arm: scenario for scenario, arm in drawn}
    side = _panel_side(len(classes), len(arms), len(scenarios))
    names = _thin_out([truncate(name, NAME) for name in classes], side)
    reach = max(text_width(name, FONT) for name in names)
    # leave room between rows if labels below a panel could meet those at the left of another
    down = 0.65 if set(first.values()) == {next(iter(arms))} else max(0.65, reach + 0.15)
    left, below = max(1.3, reach + 0.25), max(0.95, 0.71 * reach + 0.3)
    layout = PanelLayout(side, side, across=0.25, down=down, left=left, below=below, legend=0.35)
    text = "true classes in rows, predicted in columns; percent of the true class, all seeds pooled"
    figure, axes = panel_grid(len(scenarios) * len(arms), len(arms), layout, title, text, label)
    _draw_color_bar(figure, strip_height(label))
    points, letters = _title_size([style.name for style in arms.values()], layout)
    for (scenario, arm), axis in zip(product(scenarios, arms), axes, strict=True):
        if (scenario, arm) not in grids:
            axis.set_axis_off()
            continue
        _draw_matrix(axis, grids[scenario, arm], classes, side / len(classes))
        panel_title(axis, f"{truncate(scenario, letters)}\n{truncate(arms[arm].name, letters)}", points)
        # vertical if other panels follow below
        angle = 45 if scenario == scenarios[-1] else 90
        _set_ticks(axis, names if first[scenario] == arm else [], names if last[arm] == scenario else [], angle)
    return figure


def _draw_matrix(axis: Axes, table: pd.DataFrame, classes: list[str], cell: float) -> None:
    """A matrix of colored cells, with their numbers if `cell`, the inches of a side, leaves room."""
    grid = table.pivot(index="class", columns="predicted", values="percent").reindex(index=classes, columns=classes)
    numbers = grid.to_numpy(float)
    if cell >= MIN_CELL:
        _draw_cells(axis, np.where(numbers < SMALLEST, np.nan, numbers), points=min(7.5, 28 * cell))
    axis.imshow(numbers, cmap=COLORS, vmin=0, vmax=100, aspect="auto")


def _draw_color_bar(figure: Figure, strip: float) -> None:
    """The scale of all matrices, below the title; `strip` is the height in inches of the label's strip."""
    width, height = figure.get_size_inches()
    bar = figure.add_axes((EDGE / width, (height - strip - TITLE_HEIGHT - 0.1) / height, 2.0 / width, 0.1 / height))
    bar.imshow(np.linspace(0, 100, 101)[None], cmap=COLORS, vmin=0, vmax=100, aspect="auto", extent=(0, 100, 0, 1))
    bar.set_yticks([])
    bar.set_xticks([0, 50, 100], ["0", "50", "100 %"], fontsize=FONT, color=INK)
    bar.tick_params(length=0, pad=2)
    hide_spines(bar)


def _title_size(names: list[str], layout: PanelLayout) -> tuple[float, int]:
    """Font size in points and maximum characters of the panels' titles; the font is smaller if a name is long."""
    letters = 15 * (layout.width + layout.across)  # 15 per inch of the large font
    large, small = TITLE_FONTS
    if all(len(name) <= letters for name in names):
        return large, int(letters)
    return small, int(letters * large / small)


def _panel_side(classes: int, arms: int, scenarios: int) -> float:
    """Inches of a confusion matrix: enough for its labels, unless the figure would be larger than 40 inches."""
    side = 2.3 if arms <= 3 else 1.5
    return max(side, min(LABEL * classes, 40 / max(arms, scenarios)))


def _thin_out(names: list[str], inches: float) -> list[str]:
    """Every n-th name, blanks for the others, with the smallest n for which they fit into `inches`."""
    step = max(1, int(np.ceil(LABEL * len(names) / inches)))
    return [name if place % step == 0 else "" for place, name in enumerate(names)]


def _panel_per_arm(grids: dict[str, pd.DataFrame], columns: list[str], title: str, text: str, label: str) -> Figure:
    """A heat map per arm, all with the same rows and columns."""
    rows = max(len(grid) for grid in grids.values())
    styles = arm_styles(list(grids))
    columns = [truncate(name, NAME) for name in columns]
    below = max(1.0, 0.71 * max(text_width(name, FONT) for name in columns) + 0.3)
    layout = PanelLayout(CELL[0] * len(columns), CELL[1] * rows, across=0.3, left=2.1, below=below, down=below + 0.25)
    per_row = max(1, int(11 // layout.width))
    figure, axes = panel_grid(len(grids), per_row, layout, title, text, label)
    points, letters = _title_size([style.name for style in styles.values()], layout)
    for place, (arm, axis) in enumerate(zip(styles, axes, strict=True)):
        grid = grids[arm]
        _draw_cells(axis, grid.to_numpy(float))
        panel_title(axis, truncate(styles[arm].name, letters), points)
        names = [truncate(name, NAME) for name in grid.index] if place % per_row == 0 else []
        _set_ticks(axis, names, columns)
    return figure


def _draw_cells(axis: Axes, numbers: np.ndarray, points: float = 7.5) -> None:
    """Colored cells with their numbers, in a font of `points`; NaN stays white."""
    axis.imshow(numbers, cmap=COLORS, vmin=0, vmax=100, aspect="auto")
    for (row, column), number in np.ndenumerate(numbers):
        if not np.isnan(number):
            ink = "white" if number < 55 else INK
            axis.text(column, row, f"{number:.0f}", ha="center", va="center", fontsize=points, color=ink)


def _set_ticks(axis: Axes, rows: list[str], columns: list[str], angle: int = 45) -> None:
    axis.set_yticks(range(len(rows)), rows, fontsize=FONT, color=INK)
    turned: dict[str, Any] = {"rotation": angle, "ha": "right", "rotation_mode": "anchor"}
    if angle == 90:
        turned["va"] = "center"
    axis.set_xticks(range(len(columns)), columns, fontsize=FONT, color=INK, **turned)
    axis.tick_params(length=0, pad=3)
    hide_spines(axis)
