"""Every figure by name; all are drawn from tables alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from distillery.analysis.table_files import read_table, run_rows
from distillery.display_names import NO_TITLES, refused_note
from distillery.figures import difference_charts, heatmaps, line_charts
from distillery.figures.acquisition import plot_acquisition
from distillery.figures.diversity import plot_diversity
from distillery.figures.layout import draw_footnote, draw_title_block, strip_height
from distillery.figures.panels import MIN_WIDTH
from distillery.figures.styles import panel_style, save_figure
from distillery.figures.summary import plot_summary
from distillery.jobs import UserError
from distillery.splits.refused_sources import NONE_REFUSED, Refusals, refusals_text

# each takes tables by name, a title and a label
PANEL_FIGURES: dict[str, Callable[[dict[str, pd.DataFrame], str, str], Figure]] = {
    "sizes": line_charts.draw_sizes,
    "comparisons": difference_charts.draw_comparisons,
    "test_sources": heatmaps.draw_test_sources,
    "classes": heatmaps.draw_classes,
    "confusion": heatmaps.draw_confusion,
    "curves": line_charts.draw_curves,
    "reliability": line_charts.draw_reliability,
    "published": difference_charts.draw_published,
    "faults": difference_charts.draw_faults,
}
# each takes its table, an output, a title, a label, the sources without a trained model, the titles of all and a note
SOURCE_FIGURES: dict[str, Callable[[str | Path, str | Path, str, str, Sequence[str], Mapping[str, str], str], None]] = {
    "acquisition": plot_acquisition,
    "diversity": plot_diversity,
}
FIGURES = ("summary", *PANEL_FIGURES, *SOURCE_FIGURES)


def plot_figures(
    figures: Mapping[str, Sequence[str]],
    tables: Sequence[str | Path],
    outputs: Sequence[str | Path],
    headings: Mapping[str, str],
    **words: Any,
) -> None:
    """Draw several figures, so that one start of Python serves all.

    Args:
        figures: the tables that each of them is drawn from, by names.
        tables: the `.csv` files of all, in any order; each is found by its name.
        outputs: the `.png` and `.svg` files of all, in any order; each is named as its figure.
        headings: of the figures, by their names.
        words: as for `plot_figure`.
    """
    files = {Path(path).stem: path for path in tables}
    for name, needed in figures.items():
        mine = [path for path in outputs if Path(path).stem == name]
        plot_figure(name, [files[table] for table in needed], mine, headings[name], **words)


def plot_figure(
    name: str,
    tables: Sequence[str | Path],
    outputs: Sequence[str | Path],
    title: str,
    label: str = "",
    untrained: Sequence[str] = (),
    titles: Mapping[str, str] = NO_TITLES,
    refused: Refusals = NONE_REFUSED,
) -> None:
    """Draw one of `FIGURES`; the same tables give the same bytes.

    Args:
        name: of the figure.
        tables: the `.csv` files it is drawn from, identified by their names.
        outputs: `.png` and `.svg` to write.
        title: the figure's heading.
        label: stands in a strip across the top when not empty.
        untrained: sources whose model has random weights, so that their images show nothing.
        titles: of the sources, from `display_names.source_titles`; their names by default.
        refused: the refused classes of each source. A note below the figure names them, and a figure that has nothing
            to show because of them says so.

    Raises:
        UserError: the first table has no rows although no source refused.
    """
    note = refused_note(refusals_text(refused, refused))
    if name in PANEL_FIGURES:
        _plot_panels(name, list(map(Path, tables)), outputs, title, label, titles, note)
        return
    for output in outputs:
        if name == "summary":
            plot_summary(tables[0], output, title, label)
        else:
            SOURCE_FIGURES[name](tables[0], output, title, label, untrained, titles, note)


def _plot_panels(
    name: str,
    tables: Sequence[Path],
    outputs: Iterable[str | Path],
    title: str,
    label: str,
    titles: Mapping[str, str],
    note: str,
) -> None:
    by_name = {path.stem: run_rows(read_table(path)) for path in tables}
    # the one panel figure that names sources
    draw = partial(heatmaps.draw_test_sources, titles=titles) if name == "test_sources" else PANEL_FIGURES[name]
    with panel_style():
        try:
            if by_name[tables[0].stem].empty:
                raise UserError(
                    f"{tables[0]} has no rows, so there is nothing to draw. Run a scenario with at least one arm."
                )
            figure = draw(by_name, title, label)
        except UserError:
            if not note:
                raise
            figure = _empty_figure(title, label)
        draw_footnote(figure, note)
        save_figure(figure, *outputs)


def _empty_figure(title: str, label: str) -> Figure:
    """A figure of scenarios none of which is run."""
    figure = plt.figure(figsize=(MIN_WIDTH, strip_height(label) + 1.4))
    draw_title_block(figure, title, "nothing to draw: none of the scenarios of this figure is run", label)
    return figure
