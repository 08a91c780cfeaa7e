"""The acquisition figure: how many of each source's candidates are used, kept and dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.colors import to_rgb

from distillery.analysis.table_files import NAMES_OF_COUNTS, read_table
from distillery.display_names import NO_TITLES, source_title
from distillery.figures.layout import draw_footnote, truncate
from distillery.figures.panels import RowFigure
from distillery.figures.styles import INK, SOFT, hide_spines, row_style, save_figure
from distillery.jobs import UserError
from distillery.wording import plural

ROW = 0.62  # inches per source
# blue and sky blue of Okabe and Ito; dropped images are gray
USED, KEPT = "#0072B2", "#56B4E9"
REASONS = 6  # most frequent drop reasons with a bar of their own; the others are summed
MIN_LABELED = 4  # percent; shorter parts of a bar have no room for their count


def plot_acquisition(
    counts: str | Path,
    output: str | Path,
    title: str,
    label: str = "",
    untrained: Sequence[str] = (),
    titles: Mapping[str, str] = NO_TITLES,
    note: str = "",
) -> None:
    """Draw a bar per source: images used by a scenario, kept but not used, and dropped by reason.

    Args:
        counts: `counts.csv`, columns as in docs/tables.md.
        output: the PNG to write.
        title: the figure's heading.
        label: text of a strip across the top; no strip if empty.
        untrained: sources whose diffusion model has random weights, so that their images are noise.
        titles: title of each source, from `display_names.source_titles`; names by default.
        note: text below the figure; none if empty.

    Raises:
        UserError: the table has no rows.
    """
    table = read_table(counts, NAMES_OF_COUNTS)
    if table.empty:
        raise UserError(f"{counts} has no rows, so there is nothing to draw. Use at least one source.")
    outcomes = candidate_outcomes(table)
    with row_style():
        names = [truncate(source_title(name, titles), 30) for name in outcomes.index]
        drawn = RowFigure(names, ROW, list(outcomes.columns), 5, label)
        _draw_bars(drawn.axes, outcomes, names, untrained, refusal_reasons(table))
        drawn.add_title_and_legend(title, "how many of each source's candidates are used, kept and dropped")
        draw_footnote(drawn.figure, note)
        save_figure(drawn.figure, output)


def candidate_outcomes(counts: pd.DataFrame) -> pd.DataFrame:
    """Number of candidates by source (rows) and outcome (columns): used, kept but not used, dropped by reason.

    A row sums to the source's number of candidates.

    Args:
        counts: `counts.csv`.
    """
    by_source = counts.drop(columns=["class", "refused"], errors="ignore").groupby("source", sort=False).sum()
    used = by_source[["train", "val", "test"]].sum(axis=1)
    outcomes = {"used": used, "kept, not used": by_source["kept"] - used}
    dropped = by_source.filter(like="dropped_")
    frequent = dropped.sum().sort_values(ascending=False, kind="stable").index
    for name in frequent[:REASONS]:
        outcomes[name.removeprefix("dropped_").replace("_", " ")] = dropped[name]
    if len(frequent) > REASONS:
        outcomes["other reasons"] = dropped[frequent[REASONS:]].sum(axis=1)
    return pd.DataFrame(outcomes).loc[by_source.index]


def refusal_reasons(counts: pd.DataFrame) -> dict[str, str]:
    """The reasons for refusals, by source; without sources that refused no class.

    Args:
        counts: `counts.csv`.
    """
    if "refused" not in counts:
        return {}
    by_source = counts.dropna(subset="refused").groupby("source", sort=False)["refused"]
    return {str(source): ", ".join(dict.fromkeys(reasons)) for source, reasons in by_source}


def _draw_bars(
    axes: plt.Axes,
    outcomes: pd.DataFrame,
    names: Sequence[str],
    untrained: Sequence[str],
    refused: Mapping[str, str],
) -> None:
    grays = sns.color_palette("Grays_r", max(1, outcomes.shape[1] - 2) + 2)[1:-1]
    colors = [USED, KEPT, *grays]
    total = outcomes.sum(axis=1)
    left = pd.Series(0.0, index=outcomes.index)
    for name, color in zip(outcomes.columns, colors, strict=False):
        percent = 100 * outcomes[name] / total
        axes.barh(range(len(outcomes)), percent, left=left, color=color, edgecolor="white", linewidth=0.8, label=name)
        for place, (width, start, count) in enumerate(zip(percent, left, outcomes[name], strict=True)):
            if width >= MIN_LABELED:
                ink = "white" if sum(to_rgb(color)) < 1.5 else INK
                axes.text(start + width / 2, place, f"{count:,}", ha="center", va="center", fontsize=8, color=ink)
        left += percent
    axes.set(xlim=(0, 100), ylim=(len(outcomes) - 0.5, -0.5), yticks=range(len(outcomes)))
    for place, (source, count) in enumerate(total.items()):
        if source in refused and not count:
            axes.text(0.7, place, f"refused ({refused[source]})", va="center", fontsize=9, color=SOFT)
    notes = ["\nrandom weights" if name in untrained else "" for name in total.index]
    notes = [
        f"{note}\nrefused ({refused[source]})" if source in refused and count else note
        for note, (source, count) in zip(notes, total.items(), strict=True)
    ]
    texts = [f"{name}\n{plural(int(n), 'candidate')}{note}" for name, n, note in zip(names, total, notes, strict=True)]
    axes.set_yticklabels(texts, fontsize=9)
    axes.set_xlabel("percent of the candidates", fontsize=9.5)
    axes.tick_params(length=0, labelsize=9)
    hide_spines(axes)
