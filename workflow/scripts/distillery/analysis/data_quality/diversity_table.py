"""The diversity table: mean distances between images of a class, with intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # Student's t; scipy.stats imports it from here, but takes a second to import

from distillery.analysis.table_files import write_table
from distillery.jobs import UserError


def tabulate_diversity(measured: str | Path, output: str | Path, *, label: str = "") -> None:
    """Write the diversity table.

    Args:
        measured: the `.parquet` of `image_diversity.measure_diversity`.
        output: the `.csv` to write, columns as in docs/tables.md.
        label: column `note` of every row.

    Raises:
        UserError: nothing was measured.
    """
    found = pd.read_parquet(measured)
    if found.empty:
        raise UserError(f"{measured} has no rows, so there is nothing to compare. Use at least one source.")
    ends = [interval(row.distance, row.error, row.images) for row in found.itertuples()]
    found[["low", "high"]] = pd.DataFrame(ends, index=found.index)
    write_table(found.drop(columns="error").assign(note=label).round({"distance": 4, "low": 4, "high": 4}), output)


def interval(mean: float, error: float, count: int) -> tuple[float, float]:
    """The 95 % Student-t interval of a mean distance, clipped at 0, the smallest possible distance.

    Args:
        mean, error: the mean and its standard error.
        count: number of images; with one, both ends are NaN.
    """
    reach = stdtrit(count - 1, 0.975) * error if count > 1 else float("nan")
    return max(0.0, mean - reach) if np.isfinite(reach) else float("nan"), mean + reach
