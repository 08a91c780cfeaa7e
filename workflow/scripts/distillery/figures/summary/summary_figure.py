"""The summary figure: a row per scenario, with its arms' accuracies and the published numbers.

Filled marks are this study's means, with their numbers and intervals; a bar joins "from scratch" and "distilled".
Hollow marks are published numbers. At the right is each arm's first declared comparison with its p. A scenario that is
not run has a hollow gray mark and the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillery.analysis.formatting import not_covered_text, p_title
from distillery.analysis.table_files import read_table, run_rows
from distillery.display_names import lacking_text
from distillery.figures.layout import (
    draw_footnote,
    draw_legend,
    draw_title_block,
    legend_columns,
    legend_names,
    strip_height,
)
from distillery.figures.styles import (
    CHANCE_LINE,
    GRID,
    HOLLOW_MARKER,
    RULE,
    SOFT,
    WIDTH,
    ArmStyle,
    arm_styles,
    hide_spines,
    row_style,
    save_figure,
)
from distillery.figures.summary.row_drawing import (
    COMPARED,
    FILLED_MARKER,
    LABELS,
    draw_row,
    number_range,
    published_pair,
    write_left,
    write_right,
)
from distillery.figures.summary.row_layout import HEADING, lay_out_rows
from distillery.jobs import UserError

LEGEND_COLUMNS = 6


def plot_summary(summary: str | Path, output: str | Path, title: str, label: str = "") -> None:
    """Draw the summary figure.

    Args:
        summary: `summary.csv`, columns as in docs/tables.md.
        output: the PNG or SVG to write.
        title: the figure's heading.
        label: text of a strip across the top, for example that the numbers come from a demonstration; none if empty.

    Raises:
        UserError: the table has no rows.
    """
    table = read_table(summary)
    if table.empty:
        raise UserError(f"{summary} has no rows, so there is nothing to draw. Give a scenario at least one arm.")
    with row_style():
        save_figure(_draw(table, title, label), output)


def _draw(table: pd.DataFrame, title: str, label: str) -> Figure:
    layout = lay_out_rows(table)
    run = run_rows(table)
    styles = arm_styles(list(dict.fromkeys(run["arm"])))
    keys = list(_legend_keys(styles, run))
    strip, bottom = strip_height(label), 0.75
    columns = legend_columns(legend_names(keys), WIDTH - 0.4, LEGEND_COLUMNS)
    top = strip + 1.0 + 0.2 * -(-len(keys) // columns)
    height = top + layout.height + bottom
    figure = plt.figure(figsize=(WIDTH, height))
    axes = figure.add_axes(
        (LABELS / WIDTH, bottom / height, (WIDTH - LABELS - _right(run)) / WIDTH, layout.height / height),
        ylim=(layout.height, 0),
    )
    _set_up_axes(axes, run)
    for y, text in layout.headings:
        _draw_heading(axes, y, text)
    if run["p_holm"].notna().any():
        write_right(axes, layout.headings[0][0], f"difference, {p_title(run)}", color=SOFT)
    for row in layout.rows:
        draw_row(axes, row, styles)
    draw_title_block(figure, title, _subtitle(run), label)
    notes = [lacking_text(table["lacking"].iloc[0])] if "lacking" in table else []
    draw_footnote(figure, ". ".join([*notes, not_covered_text(run)]).removesuffix(". "))
    draw_legend(figure, keys, (0.3 / WIDTH, 1 - (strip + 0.88) / height), columns).set_zorder(5)
    return figure


def _set_up_axes(axes: Axes, table: pd.DataFrame) -> None:
    numbers = table[["mean_percent", "high", "published_site", "published_notebook"]].to_numpy(dtype=float)
    top = np.nanmax([np.nanmax(numbers), 100 / table["n_classes"].min()])
    axes.set_xlim(0, min(100.0, 10 * np.ceil((top + 5) / 10)) + 0.5)  # room for the number beside the mark
    axes.set_xlabel("accuracy on the test images, percent", fontsize=10, labelpad=8)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=9, length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    hide_spines(axes)


def _right(table: pd.DataFrame) -> float:
    """Inches right of the axes: room for differences if there are any."""
    return COMPARED if table["p_holm"].notna().any() else 0.45


def _draw_heading(axes: Axes, y: float, text: str) -> None:
    width = axes.get_position().width * WIDTH
    write_left(axes, y, text, fontsize=11, fontweight="bold")
    start = (0.3 - LABELS) / width
    line = y + 0.4 * HEADING
    axes.plot([start, 1], [line, line], color=RULE, linewidth=1, transform=axes.get_yaxis_transform(), clip_on=False)


def _subtitle(table: pd.DataFrame) -> str:
    seeds, test = number_range(table["n_seeds"]), number_range(table["n_test"])
    text = f"mean over {seeds} seeds" if seeds != "1" else "one training each"
    bars = "one seed, so no intervals" if seeds == "1" else "seeds agree, so no intervals"
    if table["low"].notna().any():
        bars = "bars are 95 % intervals of the mean"
    return f"{text}, {test} test images; {bars}"


def _legend_keys(styles: dict[str, ArmStyle], table: pd.DataFrame) -> Iterator[Line2D]:
    filled, hollow = FILLED_MARKER | {"clip_on": True}, HOLLOW_MARKER | {"clip_on": True}
    mark: dict[str, Any]
    for style in styles.values():
        bar = style.color if table["low"].notna().any() else "none"
        mark = {"marker": style.marker, "markerfacecolor": style.color, "label": style.name}
        yield Line2D([], [], color=bar, linewidth=1.3, **mark, **filled)
    for style in dict.fromkeys(style for style, _ in published_pair(table)):
        mark = {"marker": style.marker, "markeredgecolor": style.color, "label": f"published, {style.name}"}
        yield Line2D([], [], color="none", **mark, **hollow)
    yield Line2D([], [], label="chance", **CHANCE_LINE)
