"""How numbers become cells of a table: fixed decimals as text, so that the same runs give the same bytes.

Accuracies are in percent and differences in percentage points, both with two decimals. What is missing is blank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.statistics import SIGNIFICANCE_LEVEL, estimate

LEAST_P = 0.0001  # smaller p are not distinguished: the tails that they are computed from are approximations


def decimals(value: Any, places: int = 2) -> str:
    """Fixed decimals; blank for what is missing, and no minus sign before zero."""
    if value is None or pd.isna(value):
        return ""
    return f"{round(float(value), places) + 0.0:.{places}f}"


def p_text(p: float) -> str:
    """A p value as every surface prints it: `< 0.0001`, else two significant digits; blank for NaN.

    More digits where two would put p on the other side of the significance level, such as 0.0501.
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
    """The heading of a column of p values, which names their correction: `p (Holm, within the question)`.

    Args:
        table: with a column `correction`, blank where a row has no p.
    """
    named = [name for name in table["correction"].dropna() if name]
    return f"p ({named[0]})" if named else "p"


def not_covered_text(table: pd.DataFrame) -> str:
    """What no interval and p of a table's differences covers, in words; empty if all is covered.

    Args:
        table: with a column `not_covered`.
    """
    names = [name for cell in table["not_covered"].dropna() for name in cell.split(", ") if name]
    shared = ", ".join(dict.fromkeys(names))
    return f"Not covered by the intervals and p of differences: {shared}" if names else ""


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
