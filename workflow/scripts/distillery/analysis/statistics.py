"""Means over seeds with intervals, paired differences with exact tests, correction for many tests.

Numpy and scipy only. Values carry no unit here: what goes in as percent comes out as percent. Holm's correction is our
own, held against statsmodels in the tests: theirs takes two seconds to import and a tenth of a second a family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats has it from here, and takes a second to import

LEVEL = 0.95
# sums closer than this are the same sum: far below an image more or less, far above the rounding of floats
TIE = 1e-9
# a chance smaller than this is given as this: nobody can tell, and quantiles beyond lose their digits
LEAST_TAIL = 1e-15


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` values, its sample standard deviation and interval; NaN where the values do not tell."""

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
        values: one a seed; at least one. With one, the deviation and the interval are NaN; the interval is where all
            values are the same, which counts of images may be by chance: one of no width would claim to be certain.
        level: share of such intervals that hold the true mean, if the values are normal.
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    mean = float(values.mean())
    if n < 2:
        return Estimate(mean, nan, nan, nan, n)
    sd = float(values.std(ddof=1))
    if np.ptp(values) <= TIE:
        return Estimate(mean, sd, nan, nan, n)
    reach = float(stdtrit(n - 1, (1 + level) / 2)) * sd / n**0.5
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


# --- other images, and other trainings and images -----------------------------------------------------------------


@dataclass(frozen=True)
class ErrorModel:
    """A mean, and the variances that its error is made of, each with the degrees of freedom that it is known to.

    With one variance everything is Student's t. With two, quantiles are the t quantiles weighted by the variances
    (Cochran and Cox 1957, *Experimental Designs*, § 4.14): rather too wide than too narrow, also for two seeds. With
    two or three that may reach less far than one of the variances alone; then the interval is as wide as that one's.
    """

    mean: float
    variances: tuple[float, ...]
    dofs: tuple[float, ...]

    @property
    def se(self) -> float:
        """Standard error; NaN where a variance is not known."""
        return float(sum(self.variances) ** 0.5) if min(self.dofs) > 0 else nan

    def reach(self, tail: float) -> float:
        """How far from the true mean this one is, or farther, with chance `tail` on one side; an error is known."""
        quantiles, variances = -stdtrit(self.dofs, tail), np.asarray(self.variances)
        if not self.se:
            return 0.0
        alone = quantiles * np.sqrt(variances)
        return float(max(np.average(quantiles, weights=variances) * self.se, *alone))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """NaN, NaN without an error."""
        if np.isnan(self.se):
            return nan, nan
        reach = self.reach((1 - level) / 2)
        return self.mean - reach, self.mean + reach

    def p(self) -> float:
        """Two-sided p of a mean of zero; NaN without an error."""
        if np.isnan(self.se) or not self.se:
            return nan if np.isnan(self.se) else float(self.mean == 0)
        reached = abs(self.mean)
        tails = stdtr(self.dofs, -reached / self.se)
        if np.ptp(tails) == 0:  # one variance, or two known equally well
            return float(2 * tails[0])
        # the weighted quantile is between those of the parts, and so is its tail; one of a variance alone is no smaller
        low = max(0.9 * tails.min(), LEAST_TAIL)
        if self.reach(low) <= reached:
            return 2 * low
        from scipy.optimize import brentq  # half a second to import, for a comparison alone

        logarithm = brentq(lambda u: self.reach(np.exp(u)) - reached, np.log(low), np.log(0.5))
        return float(2 * np.exp(logarithm))

    def detectable(self, level: float, power: float = 0.8) -> float:
        """The smallest true mean that a two-sided test finds with such a power, about; NaN without an error."""
        return nan if np.isnan(self.se) else self.reach(level / 2) + self.reach(1 - power)


def over_seeds(values: Sequence[float]) -> ErrorModel:
    """The spread of a mean over independent values, one a seed."""
    found = estimate(values)
    return ErrorModel(found.mean, (found.sd**2 / found.n,), (found.n - 1,))


def over_images(differences: np.ndarray, groups: np.ndarray, unit: float = 1.0) -> ErrorModel:
    """The spread of a mean over images of which near-duplicates are not independent.

    The linearized variance of a ratio of sums over groups (Cochran 1977, *Sampling Techniques*, § 9A.1), with one
    image won and one lost added, as Bonett and Price (2012) add them to McNemar's table: without them, two arms that
    differ on few of the test images would seem known too well.

    Args:
        differences: [N], −1 to 1 unit: how much oftener the one arm told an image right than the other.
        groups: [N], any names; images of one group count as one piece of evidence.
        unit: what an image won counts, such as 100 for percentage points.
    """
    _, place = np.unique(groups, return_inverse=True)
    sums = np.append(np.bincount(place, weights=differences), [unit, -unit])
    sizes = np.append(np.bincount(place), [1, 1])
    residuals = sums - sums.sum() / sizes.sum() * sizes
    count = len(sums)
    variance = count / (count - 1) * (residuals**2).sum() / sizes.sum() ** 2
    return ErrorModel(float(np.mean(differences)), (float(variance),), (count - 1,))


def combine_variances(seeds: ErrorModel, images: ErrorModel) -> ErrorModel:
    """The spread of a mean over other trainings *and* other images: both variances, added.

    Each of the two holds the part that is neither the training's nor the image's alone, so that their sum is no less
    than the variance of a mean over two crossed random effects.
    """
    return ErrorModel(seeds.mean, seeds.variances + images.variances, seeds.dofs + images.dofs)


def groups_sign_flip_p(differences: np.ndarray, groups: np.ndarray) -> float:
    """Exact two-sided p over groups of images: each as likely to favor the one arm as the other.

    With one seed and every image a group of its own this is McNemar's exact test.

    Args:
        differences: int [N], seeds that only the one arm told right less those that only the other did.
        groups: [N], as in `over_images`.
    """
    _, place = np.unique(groups, return_inverse=True)
    sizes = np.abs(np.bincount(place, weights=differences)).astype(int)
    shares = np.ones(1)  # of each sum from −total to total
    for size in sizes[sizes > 0]:
        nothing = np.zeros(2 * size)
        shares = (np.concatenate([shares, nothing]) + np.concatenate([nothing, shares])) / 2
    away = np.abs(np.arange(len(shares)) - len(shares) // 2)
    return min(1.0, float(shares[away >= abs(np.sum(differences))].sum()))
