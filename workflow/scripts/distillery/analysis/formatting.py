"""Formats numbers as table cells: text with fixed decimals, so that the same runs give the same bytes.

Accuracies are in percent and differences in percentage points, both with two decimals. Missing values are blank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.statistics import SIGNIFICANCE_LEVEL, estimate

LEAST_P = 0.0001  # smaller p are printed as `< 0.0001`: so far out, the tail probabilities are only approximate


def decimals(value: Any, places: int = 2) -> str:
    """A number with fixed decimals, zero without a minus sign; blank for a missing value."""
    if value is None or pd.isna(value):
        return ""
    return f"{round(float(value), places) + 0.0:.{places}f}"


def signed(value: float, places: int) -> str:
    """A difference in a figure or on the page's first screen, with fixed decimals and its sign: `+1.50`, `−0.82`."""
    return f"{value:+.{places}f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p value as all tables, figures and pages print it: `< 0.0001`, else two significant digits; blank for NaN.

    It gets more digits where rounding would move it across the significance level, such as 0.0501.
    """
    if pd.isna(p):
        return ""
    if p < LEAST_P:
        return f"< {LEAST_P}"
    for digits in range(1 - math.floor(math.log10(p)), 12):
        text = f"{p:.{digits}f}"
        if (float(text) <= SIGNIFICANCE_LEVEL) == (p <= SIGNIFICANCE_LEVEL):
            break
    return text


def p_phrase(text: str) -> str:
    """A p value in a sentence: `p < 0.0001`, `p = 0.012`.

    Args:
        text: from `p_text`, not blank.
    """
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def p_title(table: pd.DataFrame) -> str:
    """The heading of a column of p values, with their correction: `p (Holm, within the question)`.

    Args:
        table: with a column `correction`, blank where a row has no p.
    """
    named = [name for name in table["correction"].dropna() if name]
    return f"p ({named[0]})" if named else "p"


def not_covered_text(table: pd.DataFrame) -> str:
    """What the intervals and p of a table's differences do not cover, in words; empty if they cover everything.

    Args:
        table: with a column `not_covered`.
    """
    names = [name for cell in table["not_covered"].dropna() for name in cell.split(", ") if name]
    shared = ", ".join(dict.fromkeys(names))
    return f"Not covered by the intervals and p of differences: {shared}" if names else ""


def percent(fraction: float | None) -> float:
    """A fraction from 0 to 1 in percent; NaN for None."""
    return nan if fraction is None else 100 * fraction


def formatted(table: pd.DataFrame, places: Mapping[str, int]) -> pd.DataFrame:
    """The table with some columns as text of fixed decimals; missing values of all columns are blank.

    Args:
        table: any table.
        places: number of decimals, by column.
    """
    table = table.copy()
    for name, digits in places.items():
        table[name] = [decimals(value, digits) for value in table[name]]
    return table.astype(object).where(table.notna(), "")


def mean_columns(accuracies: np.ndarray) -> dict[str, Any]:
    """The columns n_seeds, mean_percent, sd, low, high of accuracies [S] in percent, one per seed."""
    found = estimate(accuracies)
    # no accuracy lies outside 0 to 100, so clipping does not change how often the interval holds the true mean
    low, high = np.clip([found.low, found.high], 0, 100)
    return {"n_seeds": found.n, "mean_percent": found.mean, "sd": found.sd, "low": low, "high": high}
