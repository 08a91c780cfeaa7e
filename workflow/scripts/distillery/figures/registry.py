"""Every figure that is drawn from tables alone, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from distillery.analysis.table_files import read_table
from distillery.figures import difference_charts, heatmaps, line_charts
from distillery.figures.styles import panel_style, save_figure
from distillery.jobs import UserError

# each takes tables by name, a title and a label
FIGURES: dict[str, Callable[[dict[str, pd.DataFrame], str, str], Figure]] = {
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


def plot_figure(
    name: str, tables: Iterable[str | Path], outputs: Iterable[str | Path], title: str, label: str = ""
) -> None:
    """Draw one of `FIGURES`; the same tables give the same bytes.

    Args:
        name: of the figure.
        tables: the `.csv` files it is drawn from, identified by their names.
        outputs: `.png` and `.svg` to write.
        title: the figure's heading.
        label: stands in a strip across the top when not empty.

    Raises:
        UserError: the first table has no rows.
    """
    paths = list(map(Path, tables))
    by_name = {path.stem: read_table(path) for path in paths}
    if by_name[paths[0].stem].empty:
        raise UserError(f"{paths[0]} has no rows, so there is nothing to draw. Run a scenario with at least one arm.")
    with panel_style():
        save_figure(FIGURES[name](by_name, title, label), *outputs)
