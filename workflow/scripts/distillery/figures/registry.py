"""All figures by name, and functions to draw them; figures need only the study's tables."""

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
from distillery.figures.summary.summary_figure import plot_summary
from distillery.jobs import UserError
from distillery.splits.refused_sources import NONE_REFUSED, Refusals, refusals_text

# arguments: tables by name, title, label
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
# arguments: table, output, title, label, sources with an untrained model, titles of sources, note
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
    """Draw several figures in one process, because starting Python for each takes longer.

    Args:
        figures: names of the tables that each figure is drawn from, by name of the figure.
        tables: the `.csv` files of all figures, in any order; each is found by its name.
        outputs: the `.png` and `.svg` files to write, in any order; each has the name of its figure.
        headings: heading of each figure, by name.
        words: keyword arguments of `plot_figure`.
    """
    files = {Path(path).stem: path for path in tables}
    for name, needed in figures.items():
        own_outputs = [path for path in outputs if Path(path).stem == name]
        plot_figure(name, [files[table] for table in needed], own_outputs, headings[name], **words)


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
        name: name of the figure.
        tables: the `.csv` files that it is drawn from, identified by their names.
        outputs: the `.png` and `.svg` to write.
        title: the figure's heading.
        label: text of a strip across the top; no strip if empty.
        untrained: sources whose diffusion model has random weights, so that their images are noise.
        titles: title of each source, from `display_names.source_titles`; names by default.
        refused: classes that each source refused. A note below the figure lists them; if no scenario could run because
            of them, the figure says so.

    Raises:
        UserError: the first table has no rows, or the figure has nothing to draw, although no source refused.
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
    # the only panel figure with names of sources
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
    """A figure with a heading only, for a study that runs none of the scenarios that the figure shows."""
    figure = plt.figure(figsize=(MIN_WIDTH, strip_height(label) + 1.4))
    draw_title_block(figure, title, "nothing to draw: none of the scenarios of this figure is run", label)
    return figure
