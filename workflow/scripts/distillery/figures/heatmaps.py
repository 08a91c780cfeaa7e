"""Figures of numbers in a grid: by test source, by class, and confusions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distillery.analysis.display_names import source_title
from distillery.figures.panels import Layout, heading, panels
from distillery.figures.summary import INK, arm_styles, cut, text_width

COLORS = "cividis"  # as dark in gray as in color, and the same to every eye (Nuñez et al. 2018)
CELL = 0.52, 0.27  # inches
NAME = 26  # characters of a row's name
FONT, LABEL = 8, 0.13  # points of a label, and inches it needs


def draw_test_sources(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Train images in rows, test images in columns, one panel an arm; the teacher below."""
    table, teacher = tables["test_sources"], tables["teacher"]
    tests, scenarios = (list(dict.fromkeys(table[name])) for name in ("test", "scenario"))
    taught = teacher[teacher["class"] == "all"].set_index("test")["accuracy_percent"]
    grids = {}
    for arm, mine in table.groupby("arm", sort=False):
        # all scenarios in every panel: an arm that some do not train would stand beside other scenarios' names
        grid = mine.pivot(index="scenario", columns="test", values="mean_percent").reindex(scenarios, columns=tests)
        grids[arm] = pd.concat([grid, taught.reindex(tests).to_frame("teacher").T])
    names = ["common" if test == "common" else source_title(test) for test in tests]
    text = "accuracy on each source's test images, percent, mean over seeds"
    return _by_arm(grids, names, title, text, label)


def draw_classes(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Scenarios in rows, classes in columns, one panel an arm."""
    table = tables["per_class"]
    classes, scenarios = (list(dict.fromkeys(table[name])) for name in ("class", "scenario"))
    grids = {
        arm: mine.pivot(index="scenario", columns="class", values="mean_percent").reindex(scenarios, columns=classes)
        for arm, mine in table.groupby("arm", sort=False)
    }
    return _by_arm(grids, classes, title, "accuracy by class, percent, mean over seeds", label)


def draw_confusion(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """True classes in rows, predicted in columns; scenarios in rows of panels, arms in columns."""
    table = tables["confusion"]
    scenarios = list(dict.fromkeys(table["scenario"]))
    # a class that is trained on and not tested has a column, and an empty row
    classes = list(dict.fromkeys([*table["class"], *table["predicted"]]))
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    grids = dict(list(table.groupby(["scenario", "arm"], sort=False)))
    drawn = [pair for pair in product(scenarios, arms) if pair in grids]
    # the panels that stand at the left and at the bottom: not every scenario has every arm
    first, last = dict(reversed(drawn)), {arm: scenario for scenario, arm in drawn}
    side = _side(len(classes), len(arms), len(scenarios))
    names = _thinned([cut(name, NAME) for name in classes], side)
    reach = max(text_width(name, FONT) for name in names)
    text = "true classes in rows, predicted in columns; percent of the true class, dark to light, all seeds together"
    room = {"left": max(1.3, reach + 0.25), "below": max(0.95, 0.71 * reach + 0.3)}
    # labels below one panel would meet those at the left of another
    down = 0.65 if set(first.values()) == {next(iter(arms))} else max(0.65, reach + 0.15)
    layout = Layout(side, side, across=0.25, down=down, **room)
    figure, axes = panels(len(scenarios) * len(arms), len(arms), layout, title, text, label)
    for (scenario, arm), axis in zip(product(scenarios, arms), axes, strict=True):
        if (scenario, arm) not in grids:
            axis.set_axis_off()
            continue
        grid = grids[scenario, arm].pivot(index="class", columns="predicted", values="percent")
        grid = grid.reindex(index=classes, columns=classes)
        axis.imshow(grid.to_numpy(float), cmap=COLORS, vmin=0, vmax=100, aspect="auto")
        letters = int(15 * (side + layout.across))
        heading(axis, f"{cut(scenario, letters)}\n{cut(arms[arm].name, letters)}")
        # upright where another column's panels go on below
        turn = 45 if scenario == scenarios[-1] else 90
        _ticks(axis, names if first[scenario] == arm else [], names if last[arm] == scenario else [], turn)
    return figure


def _side(classes: int, arms: int, scenarios: int) -> float:
    """Inches of a confusion's side, large enough for its labels unless that makes a figure of over 40 inches."""
    side = 2.3 if arms <= 3 else 1.5
    return max(side, min(LABEL * classes, 40 / max(arms, scenarios)))


def _thinned(names: list[str], inches: float) -> list[str]:
    """Names without those that have no room within so many inches."""
    step = max(1, int(np.ceil(LABEL * len(names) / inches)))
    return [name if place % step == 0 else "" for place, name in enumerate(names)]


def _by_arm(grids: dict[str, pd.DataFrame], columns: list[str], title: str, text: str, label: str) -> Figure:
    rows = max(len(grid) for grid in grids.values())
    known = arm_styles(list(grids))
    columns = [cut(name, NAME) for name in columns]
    below = max(1.0, 0.71 * max(text_width(name, FONT) for name in columns) + 0.3)
    layout = Layout(CELL[0] * len(columns), CELL[1] * rows, across=0.3, left=2.1, below=below, down=below + 0.25)
    per_row = max(1, int(11 // layout.width))
    figure, axes = panels(len(grids), per_row, layout, title, text, label)
    for place, (arm, axis) in enumerate(zip(known, axes, strict=True)):
        grid = grids[arm]
        _cells(axis, grid.to_numpy(float))
        heading(axis, cut(known[arm].name, int(15 * (layout.width + layout.across))))
        _ticks(axis, [cut(name, NAME) for name in grid.index] if place % per_row == 0 else [], columns)
    return figure


def _cells(axis: Axes, numbers: np.ndarray) -> None:
    axis.imshow(numbers, cmap=COLORS, vmin=0, vmax=100, aspect="auto")
    for (row, column), number in np.ndenumerate(numbers):
        if not np.isnan(number):
            ink = "white" if number < 55 else INK
            axis.text(column, row, f"{number:.0f}", ha="center", va="center", fontsize=7.5, color=ink)


def _ticks(axis: Axes, rows: list[str], columns: list[str], turn: int = 45) -> None:
    axis.set_yticks(range(len(rows)), rows, fontsize=FONT, color=INK)
    upright = {"va": "center"} if turn == 90 else {}
    turned = {"rotation": turn, "ha": "right", "rotation_mode": "anchor", **upright}
    axis.set_xticks(range(len(columns)), columns, fontsize=FONT, color=INK, **turned)
    axis.tick_params(length=0, pad=3)
    for side in axis.spines.values():
        side.set_visible(False)
