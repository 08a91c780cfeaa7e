"""Figures of numbers in a grid: by test source, by class, and confusions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distillery.evidence.figures import INK, looks
from distillery.evidence.panels import Layout, cut, heading, panels
from distillery.evidence.tables import source_title

COLOURS = "cividis"  # as dark in grey as in colour, and the same to every eye (Nuñez et al. 2018)
CELL = 0.52, 0.27  # inches
NAME = 26  # characters of a row's name


def draw_test_sources(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Train pictures in rows, test pictures in columns, one panel an arm; the teacher below."""
    table, teacher = tables["test_sources"], tables["teacher"]
    tests, scenarios = (list(dict.fromkeys(table[name])) for name in ("test", "scenario"))
    taught = teacher[teacher["class"] == "all"].set_index("test")["accuracy_percent"]
    grids = {}
    for arm, mine in table.groupby("arm", sort=False):
        # all scenarios in every panel: an arm that some do not train would stand beside other scenarios' names
        grid = mine.pivot(index="scenario", columns="test", values="mean_percent").reindex(scenarios, columns=tests)
        grids[arm] = pd.concat([grid, taught.reindex(tests).to_frame("teacher").T])
    names = ["common" if test == "common" else source_title(test) for test in tests]
    text = "accuracy on each source's test pictures, percent, mean over seeds"
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
    classes = list(dict.fromkeys(table["class"]))
    arms = looks(list(dict.fromkeys(table["arm"])))
    scenarios = list(dict.fromkeys(table["scenario"]))
    side = 2.3 if len(arms) <= 3 else 1.5
    text = "true classes in rows, predicted in columns; percent of the true class, dark to light, all seeds together"
    layout = Layout(side, side, across=0.25, down=0.5, left=1.3, below=0.95)
    figure, axes = panels(len(scenarios) * len(arms), len(arms), layout, title, text, label)
    for place, axis in enumerate(axes):
        scenario, arm = scenarios[place // len(arms)], list(arms)[place % len(arms)]
        mine = table[(table["scenario"] == scenario) & (table["arm"] == arm)]
        if mine.empty:
            axis.set_axis_off()
            continue
        grid = mine.pivot(index="class", columns="predicted", values="percent").reindex(index=classes, columns=classes)
        axis.imshow(grid.to_numpy(float), cmap=COLOURS, vmin=0, vmax=100, aspect="auto")
        heading(axis, cut(f"{scenario}, {arms[arm].name}", 34 if side > 2 else 24))
        _ticks(axis, classes if place % len(arms) == 0 else [], classes if place >= len(axes) - len(arms) else [])
    return figure


def _by_arm(grids: dict[str, pd.DataFrame], columns: list[str], title: str, text: str, label: str) -> Figure:
    rows = max(len(grid) for grid in grids.values())
    known = looks(list(grids))
    layout = Layout(CELL[0] * len(columns), CELL[1] * rows, across=0.3, left=2.1, below=1.0, down=1.25)
    per_row = max(1, int(11 // layout.width))
    figure, axes = panels(len(grids), per_row, layout, title, text, label)
    for place, (arm, axis) in enumerate(zip(known, axes, strict=True)):
        grid = grids[arm]
        _cells(axis, grid.to_numpy(float))
        heading(axis, known[arm].name)
        _ticks(axis, [cut(name, NAME) for name in grid.index] if place % per_row == 0 else [], columns)
    return figure


def _cells(axis: Axes, numbers: np.ndarray) -> None:
    axis.imshow(numbers, cmap=COLOURS, vmin=0, vmax=100, aspect="auto")
    for (row, column), number in np.ndenumerate(numbers):
        if not np.isnan(number):
            ink = "white" if number < 55 else INK
            axis.text(column, row, f"{number:.0f}", ha="center", va="center", fontsize=7.5, color=ink)


def _ticks(axis: Axes, rows: list[str], columns: list[str]) -> None:
    axis.set_yticks(range(len(rows)), rows, fontsize=8, color=INK)
    axis.set_xticks(
        range(len(columns)), columns, fontsize=8, color=INK, rotation=45, ha="right", rotation_mode="anchor"
    )
    axis.tick_params(length=0, pad=3)
    for side in axis.spines.values():
        side.set_visible(False)
