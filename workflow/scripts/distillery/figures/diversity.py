"""The diversity table and figure: how different two images of a class are, real sources against generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from distillery.analysis.display_names import source_title
from distillery.analysis.table_files import write_table
from distillery.figures.rows import RowFigure
from distillery.figures.summary import INK, SOFT, Line2D, cut, plt, save_figure, sns
from distillery.jobs import UserError

REAL, GENERATED = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion
MARKERS = "oDs^vPXp"
ROW = 0.42  # inches a class


def show_diversity(
    measured: str | Path,
    table: str | Path,
    figure: str | Path,
    title: str,
    label: str = "",
    untrained: Sequence[str] = (),
) -> None:
    """Write the table, columns as in docs/tables.md, and draw it.

    Args:
        measured: of `diversity.measure_diversity`.
        table: a CSV.
        figure: a PNG.
        title: the figure's heading.
        label: of a demonstration; in the column `note`, and in a strip across the top when not empty.
        untrained: sources whose model was never trained, so that their images show nothing.

    Raises:
        UserError: nothing was measured.
    """
    found = pd.read_parquet(measured)
    if found.empty:
        raise UserError(f"{measured} has no rows, so there is nothing to draw. Use at least one source.")
    ends = [interval(row.distance, row.error, row.images) for row in found.itertuples()]
    found[["low", "high"]] = pd.DataFrame(ends, index=found.index)
    found = found.drop(columns="error").assign(note=label).round({"distance": 4, "low": 4, "high": 4})
    write_table(found, table)
    _plot(found, figure, title, label, untrained)


def interval(mean: float, error: float, count: int) -> tuple[float, float]:
    """The 95 % Student-t interval, cut off at the least distance there is, 0."""
    reach = stats.t.ppf(0.975, count - 1) * error if count > 1 else float("nan")
    return max(0.0, mean - reach) if np.isfinite(reach) else float("nan"), mean + reach


def _plot(table: pd.DataFrame, output: str | Path, title: str, label: str, untrained: Sequence[str]) -> None:
    """A row a class, real sources in blue and generated ones in vermilion."""
    classes, sources = list(dict.fromkeys(table["class"])), list(dict.fromkeys(table["source"]))
    with sns.axes_style("white", {"font.family": "DejaVu Sans", "text.color": INK, "xtick.color": SOFT}):
        named, shown = _named(table, sources, untrained), [cut(name, 30) for name in classes]
        drawn = RowFigure(shown, ROW, named, 6, label)
        axes = drawn.axes
        keys = [
            _dots(
                axes, table[table["source"] == name], classes, (i + 0.5) / len(sources) - 0.5, MARKERS[i % len(MARKERS)]
            )
            for i, name in enumerate(sources)
        ]
        for key, name in zip(keys, named, strict=True):
            key.set_label(name)
        axes.set(ylim=(len(classes) - 0.5, -0.5), yticks=range(len(classes)), yticklabels=shown)
        axes.set_xlim(left=0)
        axes.set_xlabel("mean distance of two images in the teacher's features (1 − cosine)", fontsize=9.5, color=INK)
        axes.tick_params(length=0, labelsize=9)
        axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
        sns.despine(drawn.figure, left=True)
        drawn.crown(title, "how different images of a class are, with 95 % intervals", keys)
        save_figure(drawn.figure, output)


def _dots(axes: plt.Axes, part: pd.DataFrame, classes: list[str], shift: float, marker: str) -> Line2D:
    """One source's dots and intervals, `shift` rows below each class's middle; gives its key for the legend."""
    color = GENERATED if part["generated"].iloc[0] else REAL
    places = part["class"].map(classes.index) + 0.6 * shift
    axes.hlines(places, part["low"], part["high"], color=color, linewidth=1.1, alpha=0.7)
    dots = {"linestyle": "", "marker": marker, "markersize": 6, "markeredgecolor": "white", "color": color}
    axes.plot(part["distance"], places, **dots)
    return Line2D([], [], **dots)


def _named(table: pd.DataFrame, sources: Sequence[str], untrained: Sequence[str]) -> list[str]:
    """The sources as the legend calls them."""
    generated = set(table["source"][table["generated"] == 1])
    kinds = [
        ", random weights" if name in untrained else ", generated" if name in generated else "" for name in sources
    ]
    return [cut(source_title(name), 44) + kind for name, kind in zip(sources, kinds, strict=True)]
