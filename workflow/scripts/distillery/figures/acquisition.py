"""The acquisition figure: what became of the images that each source offered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.colors import to_rgb

from distillery.analysis.display_names import source_title
from distillery.analysis.table_files import NAMES_OF_COUNTS, read_table
from distillery.figures.rows import RowFigure
from distillery.figures.summary import INK, SOFT, cut, plt, save_figure, sns
from distillery.jobs import UserError

ROW = 0.62  # inches a source
# used and kept in Okabe and Ito's blue and sky blue; what was dropped in grays that differ in print as well
USED, KEPT = "#0072B2", "#56B4E9"
REASONS = 6  # named, the most frequent first


def plot_acquisition(
    counts: str | Path, output: str | Path, title: str, label: str = "", untrained: Sequence[str] = ()
) -> None:
    """Draw one bar a source: images used by a scenario, kept but not used, dropped by reason.

    Args:
        counts: `counts.csv`, columns as in docs/tables.md.
        output: a PNG.
        title: the figure's heading.
        label: stands in a strip across the top when not empty.
        untrained: sources whose model was never trained, so that their images show nothing.

    Raises:
        UserError: the table has no rows.
    """
    table = read_table(counts, NAMES_OF_COUNTS)
    if table.empty:
        raise UserError(f"{counts} has no rows, so there is nothing to draw. Use at least one source.")
    parts = fates(table)
    with sns.axes_style("white", {"font.family": "DejaVu Sans", "text.color": INK, "xtick.color": SOFT}):
        drawn = RowFigure([_named(name) for name in parts.index], ROW, parts.columns, 5, label)
        _bars(drawn.axes, parts, untrained)
        drawn.crown(title, "what became of the images that each source offered")
        save_figure(drawn.figure, output)


def fates(counts: pd.DataFrame) -> pd.DataFrame:
    """One row a source, one column a fate, which add up to the candidates: used, kept not used, reasons."""
    by_source = counts.drop(columns="class").groupby("source", sort=False).sum()
    used = by_source[["train", "val", "test"]].sum(axis=1)
    parts = {"used": used, "kept, not used": by_source["kept"] - used}
    dropped = by_source.filter(like="dropped_")
    frequent = dropped.sum().sort_values(ascending=False, kind="stable").index
    for name in frequent[:REASONS]:
        parts[name.removeprefix("dropped_").replace("_", " ")] = dropped[name]
    if len(frequent) > REASONS:
        parts["dropped otherwise"] = dropped[frequent[REASONS:]].sum(axis=1)
    return pd.DataFrame(parts).loc[by_source.index]


def _named(source: str) -> str:
    return cut(source_title(source), 30)


def _bars(axes: plt.Axes, parts: pd.DataFrame, untrained: Sequence[str]) -> None:
    grays = sns.color_palette("Grays_r", max(1, parts.shape[1] - 2) + 2)[1:-1]
    colors = [USED, KEPT, *grays]
    total = parts.sum(axis=1)
    left = pd.Series(0.0, index=parts.index)
    for name, color in zip(parts.columns, colors, strict=False):
        share = 100 * parts[name] / total
        axes.barh(range(len(parts)), share, left=left, color=color, edgecolor="white", linewidth=0.8, label=name)
        for place, (width, start, count) in enumerate(zip(share, left, parts[name], strict=True)):
            if width >= 4:
                ink = "white" if sum(to_rgb(color)) < 1.5 else INK
                axes.text(start + width / 2, place, f"{count:,}", ha="center", va="center", fontsize=8, color=ink)
        left += share
    axes.set(xlim=(0, 100), ylim=(len(parts) - 0.5, -0.5), yticks=range(len(parts)))
    notes = ["\nrandom weights" if name in untrained else "" for name in total.index]
    names = [f"{_named(name)}\n{int(n):,} offered{note}" for (name, n), note in zip(total.items(), notes, strict=True)]
    axes.set_yticklabels(names, fontsize=9)
    axes.set_xlabel("percent of the candidates", fontsize=9.5, color=INK)
    axes.tick_params(length=0, labelsize=9)
    for side in axes.spines.values():
        side.set_visible(False)
