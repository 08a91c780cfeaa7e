"""Every figure that is drawn from tables alone, by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from distillery.analysis.table_files import read_table
from distillery.figures import heatmaps, lines, marks
from distillery.figures.panels import style
from distillery.figures.summary import save_figure
from distillery.jobs import UserError

FIGURES = {
    "sizes": lines.draw_sizes,
    "comparisons": marks.draw_comparisons,
    "test_sources": heatmaps.draw_test_sources,
    "classes": heatmaps.draw_classes,
    "confusion": heatmaps.draw_confusion,
    "curves": lines.draw_curves,
    "reliability": lines.draw_reliability,
    "published": marks.draw_published,
    "faults": marks.draw_faults,
}


def plot(name: str, tables: Iterable[str | Path], outputs: Iterable[str | Path], title: str, label: str = "") -> None:
    """Draw one of `FIGURES`; the same tables give the same bytes.

    Args:
        name: of the figure.
        tables: the `.csv` it is drawn from, known by their names.
        outputs: `.png` and `.svg` to write.
        title: the figure's heading.
        label: stands in a strip across the top when not empty.

    Raises:
        UserError: the first table has no rows.
    """
    paths = list(map(Path, tables))
    read = {path.stem: read_table(path) for path in paths}
    if read[paths[0].stem].empty:
        raise UserError(f"{paths[0]} has no rows, so there is nothing to draw. Run a scenario with at least one arm.")
    with style():
        save_figure(FIGURES[name](read, title, label), *outputs)
