"""Draws one scenario of the summary figure: labels, marks, intervals, differences and published numbers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distillery.analysis.formatting import p_phrase, signed
from distillery.analysis.table_files import run_rows
from distillery.display_names import display_name, not_run_text
from distillery.figures.layout import shrink_to_fit, truncate
from distillery.figures.styles import (
    CHANCE_LINE,
    CONNECTOR,
    HOLLOW_MARKER,
    PUBLISHED,
    SOFT,
    WIDTH,
    ArmStyle,
    lines_of_arms,
)
from distillery.figures.summary.row_layout import STEP, SummaryRow

LABELS = 3.6  # inches left of the axis, for the rows' labels
COMPARED = 2.6  # inches right of the axis, for differences and their p
LINE = 0.125  # inches per difference
APART = 0.085  # inches from a line of marks to the intervals above and below it
VALUES: dict[str, Any] = {"fontsize": 8, "va": "center", "textcoords": "offset points", "zorder": 5}
INTERVAL_BAR: dict[str, Any] = {"linewidth": 1.3, "zorder": 3}
FILLED_MARKER: dict[str, Any] = {
    "markersize": 7.5, "markeredgecolor": "white", "markeredgewidth": 0.8, "zorder": 4, "clip_on": False,
}  # fmt: skip


def draw_row(axes: Axes, row: SummaryRow, styles: dict[str, ArmStyle]) -> None:
    """Draw a scenario: its labels, marks, differences and published numbers, or the reason why it is not run."""
    table, first = row.table, row.table.iloc[0]
    middle = row.y + row.height / 2
    write_left(axes, middle - 0.1, truncate(first["train"], 43), fontsize=9.5)
    if run_rows(table).empty:
        _draw_not_run(axes, middle, first)
        return
    write_left(axes, middle + 0.11, truncate(_row_note(table), 62), fontsize=7.5, color=SOFT)
    chance = 100 / float(first["n_classes"])
    axes.plot([chance] * 2, [row.y, row.y + row.height], zorder=1, **CHANCE_LINE)
    published = published_pair(table)
    heights = _line_heights(middle - (0.09 if published else 0.0), table, styles)
    _draw_compared(axes, middle, table, styles, heights)
    _draw_arms(axes, table, styles, heights)
    if published:
        _draw_published(axes, row.y + row.height - 0.12, published)


def _draw_not_run(axes: Axes, y: float, first: pd.Series) -> None:
    """A hollow mark at the left of the axis, and why the scenario is not run."""
    write_left(axes, y + 0.11, truncate(first["scenario"], 62), fontsize=7.5, color=SOFT)
    axes.plot(0, y, "o", markeredgecolor=SOFT, **HOLLOW_MARKER)
    place, offset = (0, y), (9, 0)  # points right of the mark
    text = truncate(not_run_text(first["not_run"]), 72)
    axes.annotate(text, place, offset, textcoords="offset points", va="center", fontsize=9, color=SOFT)


def _row_note(table: pd.DataFrame) -> str:
    """Scenario, number of train images and seeds: `small_google · n = 800 · 6 seeds`; ranges if arms differ."""
    first, train, seeds = table.iloc[0], number_range(table["n_train"]), number_range(table["n_seeds"])
    untrained = first.get("untrained")
    # at the start, because the end may be cut off
    warning = "" if pd.isna(untrained) or not untrained else f"{untrained}: random weights  ·  "
    return f"{warning}{first['scenario']}  ·  n = {train}  ·  {seeds} seed{'' if seeds == '1' else 's'}"


def number_range(numbers: pd.Series) -> str:
    """Counts as text: `800`, or `800–4,000` if they differ."""
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _line_heights(y: float, table: pd.DataFrame, styles: dict[str, ArmStyle]) -> dict[tuple[str, ...], float]:
    """The lines of marks of a scenario: the arms of each, with inches from the top of the axes down to it.

    Args:
        y: inches from the top of the axes to the middle of the lines.
    """
    lines = lines_of_arms([arm for arm in styles if arm in set(table["arm"])])
    return {arms: y + STEP * (i - (len(lines) - 1) / 2) for i, arms in enumerate(lines)}


def _draw_arms(
    axes: Axes, table: pd.DataFrame, styles: dict[str, ArmStyle], heights: dict[tuple[str, ...], float]
) -> None:
    """Draw filled marks with their means and intervals; a pair of arms shares a line, joined by a bar."""
    by_arm: Any = table.drop_duplicates("arm").set_index("arm")
    for arms, height in heights.items():
        means = [by_arm.at[arm, "mean_percent"] for arm in arms]
        if len(arms) == 2:
            axes.plot(means, [height] * 2, color=CONNECTOR, linewidth=3.2, solid_capstyle="round", zorder=2)
        for place, arm in enumerate(arms):
            # above or below the marks, so that it does not cross a number
            _draw_interval(axes, height + APART * (2 * place - 1), by_arm.loc[arm], styles[arm])
            axes.plot(means[place], height, styles[arm].marker, color=styles[arm].color, **FILLED_MARKER)
            # the number of the lower mean is left of its mark, so that the two numbers do not overlap
            is_left = len(arms) == 2 and (means[place], place) == min((mean, k) for k, mean in enumerate(means))
            side = "right" if is_left else "left"
            axes.annotate(
                f"{means[place]:.1f}", (means[place], height), (-7 if is_left else 7, -0.5), ha=side, **VALUES
            )


def _draw_interval(axes: Axes, y: float, row: pd.Series, style: ArmStyle) -> None:
    """A thin bar from the interval's low to its high end; none if there is no interval."""
    if not np.isnan(row["low"]):
        axes.plot([row["low"], row["high"]], [y] * 2, color=style.color, **INTERVAL_BAR)


def _draw_compared(
    axes: Axes, y: float, table: pd.DataFrame, styles: dict[str, ArmStyle], heights: dict[tuple[str, ...], float]
) -> None:
    """Write the difference and p of each arm that is compared with another one, in the arm's color.

    Beside the arms' lines of marks, if there is room; else all of them around `y`, with both arms' names.
    """
    compared = table[table["p_holm"].notna()].to_dict("records")
    of_lines = {height: [row for row in compared if row["arm"] in arms] for arms, height in heights.items()}
    if beside := len(heights) > 2 and max(map(len, of_lines.values())) * LINE <= STEP:
        groups = of_lines
    else:
        groups = {y: compared}
    for middle, rows in groups.items():
        for i, row in enumerate(rows):
            versus = display_name(row["versus"])
            names = f"against {versus}" if beside else f"{display_name(row['arm'])} − {versus}"
            text = f"{signed(row['difference'], 2)}, {p_phrase(row['p_holm'])}: {names}"  # the end may be cut off
            place = middle + LINE * (i - (len(rows) - 1) / 2)
            write_right(axes, place, text, color=styles[row["arm"]].color)


def published_pair(table: pd.DataFrame) -> list[tuple[ArmStyle, float]]:
    """A scenario's published accuracies from scratch and distilled, with their styles.

    They are those of the website, or of the notebook if the website has none.
    """
    pair = []
    for style, arms in PUBLISHED:
        rows = table[table["arm"].isin(arms)]
        known = rows["published_site"].fillna(rows["published_notebook"]).dropna()
        if len(known):
            pair.append((style, float(known.iloc[0])))
    return pair


def _draw_published(axes: Axes, y: float, pair: list[tuple[ArmStyle, float]]) -> None:
    if len(pair) == 2:
        axes.plot([value for _, value in pair], [y, y], color=CONNECTOR, linewidth=1, zorder=2)
    for style, value in pair:
        axes.plot(value, y, style.marker, markeredgecolor=style.color, **HOLLOW_MARKER)


def write_left(axes: Axes, y: float, text: str, **style: Any) -> None:
    """Text left of the axes, 0.3 inches from the figure's edge."""
    width = axes.get_position().width * WIDTH
    axes.text((0.3 - LABELS) / width, y, text, transform=axes.get_yaxis_transform(), va="center", **style)


def write_right(axes: Axes, y: float, text: str, **style: Any) -> None:
    """Small text right of the axes, shrunk or cut to fit into the figure."""
    x = 1 + 0.12 / (axes.get_position().width * WIDTH)
    shown = axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, **style)
    shrink_to_fit(cast(Figure, axes.get_figure()), shown, COMPARED - 0.2)
