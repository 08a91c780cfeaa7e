"""Where each scenario stands in the summary figure."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from distillery.analysis.table_files import run_rows
from distillery.figures.styles import lines_of_arms

ROW = 0.56  # inches of a scenario with one line of marks
STEP = 0.26  # inches from one line of marks down to the next
HEADING = 0.42  # inches of the heading of a size (small, medium, large)
SIZES = ("small", "medium", "large")


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
    found = known + [size for size in sizes.unique() if size not in SIZES]
    for size in found:
        headings.append((y + 0.6 * HEADING, size.capitalize() if size and len(found) > 1 else "Scenarios"))
        y += HEADING
        for _, group in table[sizes == size].groupby("scenario", sort=False):
            lines = lines_of_arms(list(run_rows(group)["arm"].unique()))
            rows.append(SummaryRow(y, ROW + STEP * max(0, len(lines) - 1), group))
            y += rows[-1].height
    return SummaryLayout(rows, headings, y)
