"""Means over seeds with intervals, paired differences with exact tests, and correction for multiple tests.

Results have the unit of the values given, such as percent. Holm's correction is implemented here and tested against
statsmodels, because importing statsmodels takes two seconds and each of its corrections a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit  # Student's t; scipy.stats imports it from here, but takes a second to import

CONFIDENCE_LEVEL = 0.95
SIGNIFICANCE_LEVEL = 0.05  # of a family of tests, after correction
# values closer than this count as equal: far less than one image changes an accuracy, far more than rounding errors
TIE = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` values, with its sample standard deviation and interval; NaN for what cannot be estimated."""

    mean: float
    sd: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """Mean of paired differences with its interval, and the exact two-sided p of a sign-flip test.

    `p_least` is the smallest p that `n` pairs can give. A test whose `p_least` is above its significance level never
    rejects.
    """

    difference: float
    low: float
    high: float
    p: float
    p_least: float
    n: int


def estimate(values: ArrayLike, level: float = CONFIDENCE_LEVEL) -> Estimate:
    """Mean, standard deviation (n − 1) and Student-t interval of independent values.

    Args:
        values: [n], one per seed, n ≥ 1. For n = 1 the deviation and the interval are NaN. The interval is also NaN if
            all values are equal: counts of images can be equal by chance, and an interval of width 0 would claim
            certainty.
        level: confidence level, 0 to 1. It is exact for normally distributed values.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    mean = float(sample.mean())
    if n < 2:
        return Estimate(mean, nan, nan, nan, n)
    sd = float(sample.std(ddof=1))
    if np.ptp(sample) <= TIE:
        return Estimate(mean, sd, nan, nan, n)
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * sd / n**0.5
    return Estimate(mean, sd, mean - reach, mean + reach, n)


def compare_pairs(before: ArrayLike, after: ArrayLike, level: float = CONFIDENCE_LEVEL) -> Comparison:
    """`after` − `before` over pairs, such as kd and scratch of the same seed.

    Args:
        before, after: [n] each, n ≥ 1, paired by position.
        level: confidence level of the interval, 0 to 1.

    Raises:
        ValueError: their lengths differ.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"pairs need equal lengths, not {len(first)} and {len(second)}")
    differences = second - first
    mean = estimate(differences, level)
    p = sign_flip_p(differences)
    return Comparison(mean.mean, mean.low, mean.high, p, least_p(mean.n), mean.n)


def sign_flip_p(differences: ArrayLike) -> float:
    """Exact two-sided p of the sign-flip permutation test (Fisher 1935, *The Design of Experiments*, § 21).

    If the members of each pair are exchangeable, each difference has either sign with equal probability. p is the
    fraction of all 2ⁿ choices of signs whose sum is at least as far from zero as the observed sum.

    Args:
        differences: [n], one per pair, n ≥ 1. Memory grows with the number of distinct sums: differences that are
            multiples of one step, such as accuracies on one test set, have few; arbitrary ones have up to 2ⁿ.
    """
    changes = np.asarray(differences, dtype=np.float64)
    observed = abs(changes.sum())
    sums, probabilities = np.zeros(1), np.ones(1)
    for size in np.abs(changes):
        sums, probabilities = _merged(
            np.concatenate([sums - size, sums + size]), np.concatenate([probabilities, probabilities]) / 2
        )
    return min(1.0, float(probabilities[np.abs(sums) >= observed - TIE].sum()))


def _merged(sums: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each distinct sum once, with the probabilities of equal sums added."""
    # rounded sums only find which are equal; the sums themselves stay unrounded, or rounding errors would add up
    _, first, group = np.unique(np.round(sums / TIE), return_index=True, return_inverse=True)
    return sums[first], np.bincount(group, weights=probabilities)


def least_p(n: int) -> float:
    """The smallest two-sided p of a sign-flip test with n pairs: all signs are equal in 2 of the 2ⁿ choices."""
    return min(1.0, 2.0 ** (1 - n))


def holm(p: ArrayLike) -> np.ndarray:
    """p values corrected for multiple tests (Holm 1979), in the order given; NaN stays NaN and is not counted.

    Rejecting where the corrected p is at most α keeps the probability of any false rejection at most α, however the
    tests depend on each other.
    """
    raw = np.asarray(p, dtype=np.float64)
    corrected = np.full(raw.shape, nan)
    known = np.flatnonzero(~np.isnan(raw))
    order = known[np.argsort(raw[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * factors)) if len(order) else []
    return corrected
