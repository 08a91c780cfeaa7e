"""How numbers become cells of a table: fixed decimals as text, so that the same runs give the same bytes.

Accuracies are in percent and differences in percentage points, both with two decimals. What is missing is blank.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.statistics import estimate

P_DECIMALS = 5


def decimals(value: Any, places: int = 2) -> str:
    """Fixed decimals; blank for what is missing, and no minus sign before zero."""
    if value is None or pd.isna(value):
        return ""
    return f"{round(float(value), places) + 0.0:.{places}f}"


def percent(fraction: float | None) -> float:
    """A fraction of 0 to 1 in percent; NaN for None."""
    return nan if fraction is None else 100 * fraction


def formatted(table: pd.DataFrame, places: Mapping[str, int]) -> pd.DataFrame:
    """Numbers as text with so many decimals, by column; what is missing in any column is blank."""
    table = table.copy()
    for name, digits in places.items():
        table[name] = [decimals(value, digits) for value in table[name]]
    return table.astype(object).where(table.notna(), "")


def mean_columns(accuracies: np.ndarray) -> dict[str, Any]:
    """The columns n_seeds, mean_percent, sd, low, high of accuracies in percent, one a seed."""
    found = estimate(accuracies)
    # no accuracy lies outside 0 to 100; a cut interval holds the true mean as often as the whole one
    low, high = np.clip([found.low, found.high], 0, 100)
    return {"n_seeds": found.n, "mean_percent": found.mean, "sd": found.sd, "low": low, "high": high}
