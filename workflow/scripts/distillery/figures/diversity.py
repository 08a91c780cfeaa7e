"""The diversity figure: mean distance between images of a class, for real and for generated sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.lines import Line2D

from distillery.analysis.table_files import read_table
from distillery.display_names import NO_TITLES, source_title
from distillery.figures.layout import draw_footnote, truncate
from distillery.figures.panels import RowFigure
from distillery.figures.styles import SOURCE_STYLES, row_style, save_figure
from distillery.jobs import UserError

ROW = 0.42  # inches per class


def plot_diversity(
    diversity: str | Path,
    output: str | Path,
    title: str,
    label: str = "",
    untrained: Sequence[str] = (),
    titles: Mapping[str, str] = NO_TITLES,
    note: str = "",
) -> None:
    """Draw a row per class, with a color per source; marks of generated sources are hollow.

    Args:
        diversity: `diversity.csv`, columns as in docs/tables.md.
        output: the PNG or SVG to write.
        title: the figure's heading.
        label: text of a strip across the top; no strip if empty.
        untrained: sources whose diffusion model has random weights, so that their images are noise.
        titles: title of each source, from `display_names.source_titles`; names by default.
        note: text below the figure; none if empty.

    Raises:
        UserError: the table has no rows.
    """
    table = read_table(diversity)
    if table.empty:
        raise UserError(f"{diversity} has no rows, so there is nothing to draw. Use at least one source.")
    classes, sources = list(dict.fromkeys(table["class"])), list(dict.fromkeys(table["source"]))
    with row_style():
        names, rows = _source_names(table, sources, untrained, titles), [truncate(name, 30) for name in classes]
        drawn = RowFigure(rows, ROW, names, 6, label)
        axes, keys = drawn.axes, []
        for i, (source, name) in enumerate(zip(sources, names, strict=True)):
            rows_of_source, shift = table[table["source"] == source], (i + 0.5) / len(sources) - 0.5
            keys.append(_draw_source(axes, rows_of_source, classes, shift, SOURCE_STYLES[i % len(SOURCE_STYLES)]))
            keys[-1].set_label(name)
        axes.set(ylim=(len(classes) - 0.5, -0.5), yticks=range(len(classes)), yticklabels=rows)
        axes.set_xlim(left=0)
        axes.set_xlabel("mean distance of two images in the teacher's features (1 − cosine)", fontsize=9.5)
        axes.tick_params(length=0, labelsize=9)
        axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
        sns.despine(drawn.figure, left=True)
        text = "mean distance between two images of a class, with 95 % intervals"
        drawn.add_title_and_legend(title, text, keys)
        draw_footnote(drawn.figure, note)
        save_figure(drawn.figure, output)


def _draw_source(
    axes: plt.Axes, table: pd.DataFrame, classes: list[str], shift: float, style: tuple[str, str]
) -> Line2D:
    """Draw a source's means and intervals, `shift` rows below each class's middle.

    Returns:
        The source's entry for the legend.
    """
    color, marker = style
    is_generated = bool(table["generated"].iloc[0])
    places = table["class"].map(classes.index) + 0.6 * shift
    axes.hlines(places, table["low"], table["high"], color=color, linewidth=1.1, alpha=0.7)
    style_of_marks: dict[str, Any] = {
        "linestyle": "", "marker": marker, "markersize": 6, "color": color,
        "markerfacecolor": "white" if is_generated else color, "markeredgecolor": color if is_generated else "white",
    }  # fmt: skip
    axes.plot(table["distance"], places, **style_of_marks)
    return Line2D([], [], **style_of_marks)


def _source_names(
    table: pd.DataFrame, sources: Sequence[str], untrained: Sequence[str], titles: Mapping[str, str]
) -> list[str]:
    """The sources' names in the legend; those of generated sources say that they are generated."""
    generated = set(table["source"][table["generated"] == 1])
    kinds = [
        ", random weights" if name in untrained else ", generated" if name in generated else "" for name in sources
    ]
    return [truncate(source_title(name, titles), 44) + kind for name, kind in zip(sources, kinds, strict=True)]
