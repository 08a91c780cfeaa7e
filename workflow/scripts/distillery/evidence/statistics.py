"""Means over seeds with intervals, paired differences with exact tests, correction for many tests.

Numpy and scipy only. Values carry no unit here: what goes in as percent comes out as percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy import stats

LEVEL = 0.95
# sums closer than this are the same sum: far below a picture more or less, far above the rounding of floats
TIE = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` values with its sample standard deviation and interval; NaN where `n` is too small for them."""

    mean: float
    sd: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """Mean of paired differences with its interval, and the exact two-sided p of a sign-flip test.

    `p_least` is the smallest p that `n` pairs can give: a test with `p_least` above its level can find nothing.
    """

    difference: float
    low: float
    high: float
    p: float
    p_least: float
    n: int


def estimate(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """Mean, standard deviation (n − 1) and Student-t interval of independent values.

    Args:
        values: one a seed; at least one. With one, the deviation and the interval are NaN.
        level: share of such intervals that hold the true mean, if the values are normal.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    mean = float(values.mean())
    if n < 2:
        return Estimate(mean, nan, nan, nan, n)
    sd = float(values.std(ddof=1))
    reach = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / n**0.5
    return Estimate(mean, sd, mean - reach, mean + reach, n)


def compare_pairs(before: Sequence[float], after: Sequence[float], level: float = LEVEL) -> Comparison:
    """`after` − `before` over pairs, such as kd and scratch of the same seed.

    Args:
        before, after: values of the same length ≥ 1, paired by position.
    """
    before, after = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if before.shape != after.shape:
        raise ValueError(f"pairs need equal lengths, not {len(before)} and {len(after)}")
    differences = after - before
    mean = estimate(differences, level)
    p = sign_flip_p(differences)
    return Comparison(mean.mean, mean.low, mean.high, p, least_p(mean.n), mean.n)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Exact two-sided p of the sign-flip permutation test (Fisher 1935, *The Design of Experiments*, § 21).

    If the members of each pair were exchangeable, each difference would as likely have the other sign. p is the share
    of all 2ⁿ choices of signs whose sum is at least as far from zero as the one observed.

    Args:
        differences: one a pair, n ≥ 1. Sums that coincide are counted together, so differences on a grid (accuracies
            on one test set are) take memory by the grid; n arbitrary differences take memory 2ⁿ.
    """
    differences = np.asarray(differences, dtype=np.float64)
    observed = abs(differences.sum())
    sums, shares = np.zeros(1), np.ones(1)
    for size in np.abs(differences):
        sums, shares = _merged(np.concatenate([sums - size, sums + size]), np.concatenate([shares, shares]) / 2)
    return min(1.0, float(shares[np.abs(sums) >= observed - TIE].sum()))


def _merged(sums: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal sums once, with their shares added."""
    # the grid only tells which are equal; the sums themselves are not rounded, or errors would add up
    _, first, group = np.unique(np.round(sums / TIE), return_index=True, return_inverse=True)
    return sums[first], np.bincount(group, weights=shares)


def least_p(n: int) -> float:
    """The smallest two-sided p of a sign-flip test with n pairs: all differences have one sign, 2 of 2ⁿ choices."""
    return min(1.0, 2.0 ** (1 - n))


def holm(p: Sequence[float]) -> np.ndarray:
    """p values corrected for their number (Holm 1979), in the order given; NaN stays NaN and is not counted.

    Rejecting where the corrected p is at most α keeps the chance of any false rejection at most α, whatever the
    dependence between the tests.
    """
    p = np.asarray(p, dtype=np.float64)
    corrected = np.full(p.shape, nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors)) if len(order) else []
    return corrected
