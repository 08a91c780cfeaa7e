"""The summary figure: a row per scenario, with its arms' accuracies and the published numbers.

Filled marks are this study's means, with their numbers and intervals; a bar joins "from scratch" and "distilled".
Hollow marks are published numbers. At the right is each arm's first declared comparison with its p. A scenario that is
not run has a hollow gray mark and the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillery.analysis.formatting import not_covered_text, p_phrase, p_title, signed
from distillery.analysis.table_files import read_table, run_rows
from distillery.display_names import display_name, lacking_text, not_run_text
from distillery.figures.layout import (
    draw_footnote,
    draw_legend,
    draw_title_block,
    legend_columns,
    legend_names,
    shrink_to_fit,
    strip_height,
    truncate,
)
from distillery.figures.styles import (
    CHANCE_LINE,
    CONNECTOR,
    GRID,
    HOLLOW_MARKER,
    PUBLISHED,
    RULE,
    SOFT,
    WIDTH,
    ArmStyle,
    arm_styles,
    hide_spines,
    lines_of_arms,
    row_style,
    save_figure,
)
from distillery.jobs import UserError

LABELS = 3.6  # inches left of the axis, for the rows' labels
COMPARED = 2.6  # inches right of the axis, for differences and their p
LINE = 0.125  # inches per difference
ROW = 0.56  # inches of a scenario with one line of marks
STEP = 0.26  # inches from one line of marks down to the next
HEADING = 0.42  # inches of the heading of a size (small, medium, large)
APART = 0.085  # inches from a line of marks to the intervals above and below it
VALUES: dict[str, Any] = {"fontsize": 8, "va": "center", "textcoords": "offset points", "zorder": 5}
LEGEND_COLUMNS = 6
SIZES = ("small", "medium", "large")
INTERVAL_BAR: dict[str, Any] = {"linewidth": 1.3, "zorder": 3}
FILLED_MARKER: dict[str, Any] = {
    "markersize": 7.5, "markeredgecolor": "white", "markeredgewidth": 0.8, "zorder": 4, "clip_on": False,
}  # fmt: skip


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


@dataclass(frozen=True)
class SummaryRow:
    """One scenario and its position in the figure.

    Attributes:
        y: inches from the top of the axes down to the row.
        height: of the row, inches.
        table: the scenario's rows of the summary, one per arm.
    """

    y: float
    height: float
    table: pd.DataFrame


@dataclass(frozen=True)
class SummaryLayout:
    """Positions of all rows and of the headings of their sizes.

    Attributes:
        rows: from top to bottom.
        headings: (y, text), y in inches from the top of the axes.
        height: total height, inches.
    """

    rows: list[SummaryRow]
    headings: list[tuple[float, str]]
    height: float


def lay_out_rows(table: pd.DataFrame) -> SummaryLayout:
    """Lay out scenarios by size, small first, and in the table's order within a size.

    Args:
        table: `summary.csv`.
    """
    sizes = table["size"].fillna("").astype(str)
    known = [size for size in SIZES if (sizes == size).any()]
    rows: list[SummaryRow] = []
    headings, y = [], 0.0
    for size in known + [size for size in sizes.unique() if size not in SIZES]:
        headings.append((y + 0.6 * HEADING, size.capitalize() or "Scenarios"))
        y += HEADING
        for _, group in table[sizes == size].groupby("scenario", sort=False):
            lines = lines_of_arms(list(run_rows(group)["arm"].unique()))
            rows.append(SummaryRow(y, ROW + STEP * max(0, len(lines) - 1), group))
            y += rows[-1].height
    return SummaryLayout(rows, headings, y)


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
        _right_text(axes, layout.headings[0][0], f"difference, {p_title(run)}", color=SOFT)
    for row in layout.rows:
        _draw_row(axes, row, styles)
    draw_title_block(figure, title, _subtitle(run), label)
    notes = [lacking_text(table["lacking"].iloc[0])] if "lacking" in table else []
    draw_footnote(figure, ". ".join([*notes, not_covered_text(run)]).removesuffix(". "))
    draw_legend(figure, keys, (0.3 / WIDTH, 1 - (strip + 0.88) / height), columns).set_zorder(5)
    return figure


def _set_up_axes(axes: Axes, table: pd.DataFrame) -> None:
    numbers = table[["mean_percent", "high", "published_site", "published_notebook"]].to_numpy(dtype=float)
    top = np.nanmax([np.nanmax(numbers), 100 / table["n_classes"].min()])
    axes.set_xlim(0, min(100.0, 10 * np.ceil((top + 2) / 10)) + 0.5)
    axes.set_xlabel("accuracy on the test images, percent", fontsize=10, labelpad=8)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=9, length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    hide_spines(axes)


def _left_text(axes: Axes, y: float, text: str, **style: Any) -> None:
    """Text left of the axes, 0.3 inches from the figure's edge."""
    width = axes.get_position().width * WIDTH
    axes.text((0.3 - LABELS) / width, y, text, transform=axes.get_yaxis_transform(), va="center", **style)


def _right(table: pd.DataFrame) -> float:
    """Inches right of the axes: room for differences if there are any."""
    return COMPARED if table["p_holm"].notna().any() else 0.45


def _right_text(axes: Axes, y: float, text: str, **style: Any) -> None:
    """Small text right of the axes, shrunk or cut to fit into the figure."""
    x = 1 + 0.12 / (axes.get_position().width * WIDTH)
    shown = axes.text(x, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, **style)
    shrink_to_fit(cast(Figure, axes.get_figure()), shown, COMPARED - 0.2)


def _draw_heading(axes: Axes, y: float, text: str) -> None:
    width = axes.get_position().width * WIDTH
    _left_text(axes, y, text, fontsize=11, fontweight="bold")
    start = (0.3 - LABELS) / width
    line = y + 0.4 * HEADING
    axes.plot([start, 1], [line, line], color=RULE, linewidth=1, transform=axes.get_yaxis_transform(), clip_on=False)


def _draw_row(axes: Axes, row: SummaryRow, styles: dict[str, ArmStyle]) -> None:
    table, first = row.table, row.table.iloc[0]
    middle = row.y + row.height / 2
    _left_text(axes, middle - 0.1, truncate(first["train"], 43), fontsize=9.5)
    if run_rows(table).empty:
        _draw_not_run(axes, middle, first)
        return
    _left_text(axes, middle + 0.11, truncate(_row_note(table), 62), fontsize=7.5, color=SOFT)
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
    _left_text(axes, y + 0.11, truncate(first["scenario"], 62), fontsize=7.5, color=SOFT)
    axes.plot(0, y, "o", markeredgecolor=SOFT, **HOLLOW_MARKER)
    place, offset = (0, y), (9, 0)  # points right of the mark
    text = truncate(not_run_text(first["not_run"]), 72)
    axes.annotate(text, place, offset, textcoords="offset points", va="center", fontsize=9, color=SOFT)


def _row_note(table: pd.DataFrame) -> str:
    """Scenario, number of train images and seeds: `small_google · n = 800 · 6 seeds`; ranges if arms differ."""
    first, train, seeds = table.iloc[0], _range(table["n_train"]), _range(table["n_seeds"])
    untrained = first.get("untrained")
    # at the start, because the end may be cut off
    warning = "" if pd.isna(untrained) or not untrained else f"{untrained}: random weights  ·  "
    return f"{warning}{first['scenario']}  ·  n = {train}  ·  {seeds} seed{'' if seeds == '1' else 's'}"


def _range(numbers: pd.Series) -> str:
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
            _right_text(axes, place, text, color=styles[row["arm"]].color)


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


def _subtitle(table: pd.DataFrame) -> str:
    seeds, test = _range(table["n_seeds"]), _range(table["n_test"])
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
