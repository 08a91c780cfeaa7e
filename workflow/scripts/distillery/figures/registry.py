"""Every figure by name; all are drawn from tables alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from distillery.analysis.table_files import read_table
from distillery.display_names import NO_TITLES
from distillery.figures import difference_charts, heatmaps, line_charts
from distillery.figures.acquisition import plot_acquisition
from distillery.figures.diversity import plot_diversity
from distillery.figures.styles import panel_style, save_figure
from distillery.figures.summary import plot_summary
from distillery.jobs import UserError

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
# each takes its table, an output, a title, a label, the sources without a trained model and the titles of all
SOURCE_FIGURES: dict[str, Callable[[str | Path, str | Path, str, str, Sequence[str], Mapping[str, str]], None]] = {
    "acquisition": plot_acquisition,
    "diversity": plot_diversity,
}
FIGURES = ("summary", *PANEL_FIGURES, *SOURCE_FIGURES)


def plot_figure(
    name: str,
    tables: Sequence[str | Path],
    outputs: Sequence[str | Path],
    title: str,
    label: str = "",
    untrained: Sequence[str] = (),
    titles: Mapping[str, str] = NO_TITLES,
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

    Raises:
        UserError: the first table has no rows.
    """
    if name in PANEL_FIGURES:
        _plot_panels(name, list(map(Path, tables)), outputs, title, label, titles)
        return
    for output in outputs:
        if name == "summary":
            plot_summary(tables[0], output, title, label)
        else:
            SOURCE_FIGURES[name](tables[0], output, title, label, untrained, titles)


def _plot_panels(
    name: str,
    tables: Sequence[Path],
    outputs: Iterable[str | Path],
    title: str,
    label: str,
    titles: Mapping[str, str],
) -> None:
    by_name = {path.stem: read_table(path) for path in tables}
    if by_name[tables[0].stem].empty:
        raise UserError(f"{tables[0]} has no rows, so there is nothing to draw. Run a scenario with at least one arm.")
    # the one panel figure that names sources
    draw = partial(heatmaps.draw_test_sources, titles=titles) if name == "test_sources" else PANEL_FIGURES[name]
    with panel_style():
        save_figure(draw(by_name, title, label), *outputs)
