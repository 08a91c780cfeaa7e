"""The error of a mean over seeds and over test images: intervals, p values and detectable differences.

The measured difference of two arms varies with the seeds of their trainings and with the choice of test images.
`over_seeds` and `over_images` estimate one source of error each; `combine_variances` adds both.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats imports it from here, but takes a second to import

from distillery.analysis.statistics import CONFIDENCE_LEVEL, estimate

# the smallest tail probability computed: below it, quantiles of Student's t are inaccurate
LEAST_TAIL = 1e-15


@dataclass(frozen=True)
class ErrorModel:
    """A mean, and the variances that add up to that of its error, each with its degrees of freedom.

    With one variance, intervals and p are those of Student's t. With several, quantiles are the t quantiles weighted by
    the variances (Cochran and Cox 1957, *Experimental Designs*, § 4.14), which is conservative even for two seeds. For
    two or three seeds this interval can be narrower than that of one variance alone; then the wider one is used.
    """

    mean: float
    variances: tuple[float, ...]
    dofs: tuple[float, ...]

    @property
    def se(self) -> float:
        """Standard error; NaN if a variance has no degrees of freedom."""
        return float(sum(self.variances) ** 0.5) if min(self.dofs) > 0 else nan

    def reach(self, tail: float) -> float:
        """The distance from the true mean that is exceeded on one side with probability `tail`; `se` is not NaN."""
        quantiles, variances = -stdtrit(self.dofs, tail), np.asarray(self.variances)
        if not self.se:
            return 0.0
        alone = quantiles * np.sqrt(variances)
        return float(max(np.average(quantiles, weights=variances) * self.se, *alone))

    def interval(self, level: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
        """Low and high end; both NaN if `se` is NaN."""
        if np.isnan(self.se):
            return nan, nan
        reach = self.reach((1 - level) / 2)
        return self.mean - reach, self.mean + reach

    def p(self) -> float:
        """Two-sided p for a true mean of zero; NaN if `se` is NaN."""
        if np.isnan(self.se) or not self.se:
            return nan if np.isnan(self.se) else float(self.mean == 0)
        distance = abs(self.mean)
        tails = stdtr(self.dofs, -distance / self.se)
        if np.ptp(tails) == 0:  # one variance, or equal degrees of freedom
            return float(2 * tails[0])
        # the weighted quantile lies between those of the variances, and so does its tail probability
        low = max(0.9 * tails.min(), LEAST_TAIL)
        if self.reach(low) <= distance:
            return 2 * low
        from scipy.optimize import brentq  # imported here: it takes half a second, and only comparisons need it

        logarithm = brentq(lambda u: self.reach(np.exp(u)) - distance, np.log(low), np.log(0.5))
        return float(2 * np.exp(logarithm))

    def detectable(self, level: float, power: float = 0.8) -> float:
        """Approximately the smallest true mean that a two-sided test finds with this power; NaN if `se` is NaN.

        Args:
            level: significance level, 0 to 1.
            power: probability of finding the mean, 0 to 1.
        """
        return nan if np.isnan(self.se) else self.reach(level / 2) + self.reach(1 - power)


def over_seeds(values: ArrayLike) -> ErrorModel:
    """The error of a mean over independent values [S], one per seed."""
    found = estimate(values)
    return ErrorModel(found.mean, (found.sd**2 / found.n,), (found.n - 1,))


def over_images(differences: np.ndarray, groups: np.ndarray, unit: float = 1.0) -> ErrorModel:
    """The error of a mean over test images, where near-duplicates are not independent.

    The linearized variance of a ratio of sums over groups (Cochran 1977, *Sampling Techniques*, § 9A.1). One image won
    and one lost are added, as Bonett and Price (2012) add them to McNemar's table: without them the error would be too
    small for two arms that differ on few images.

    Args:
        differences: [N], −`unit` to `unit`: how much more often one arm classifies an image correctly than the other.
        groups: [N], any names; images of one group count as one piece of evidence.
        unit: value of one image, such as 100 for percentage points.
    """
    _, place = np.unique(groups, return_inverse=True)
    sums = np.append(np.bincount(place, weights=differences), [unit, -unit])
    sizes = np.append(np.bincount(place), [1, 1])
    residuals = sums - sums.sum() / sizes.sum() * sizes
    count = len(sums)
    variance = count / (count - 1) * (residuals**2).sum() / sizes.sum() ** 2
    return ErrorModel(float(np.mean(differences)), (float(variance),), (count - 1,))


def combine_variances(seeds: ErrorModel, images: ErrorModel) -> ErrorModel:
    """The error of a mean over other trainings *and* other images: the sum of both variances.

    Each of the two includes the interaction of training and image, so their sum is at least the variance of a mean over
    two crossed random effects.
    """
    return ErrorModel(seeds.mean, seeds.variances + images.variances, seeds.dofs + images.dofs)


def groups_sign_flip_p(differences: np.ndarray, groups: np.ndarray) -> float:
    """Exact two-sided p over groups of images, if each group favors either arm with equal probability.

    With one seed and one image per group this is McNemar's exact test.

    Args:
        differences: int [N], number of seeds where only the first arm is correct − where only the second is.
        groups: [N], as in `over_images`.
    """
    _, place = np.unique(groups, return_inverse=True)
    sizes = np.abs(np.bincount(place, weights=differences)).astype(int)
    probabilities = np.ones(1)  # of each sum from −total to total
    for size in sizes[sizes > 0]:
        padding = np.zeros(2 * size)
        probabilities = (np.concatenate([probabilities, padding]) + np.concatenate([padding, probabilities])) / 2
    distance = np.abs(np.arange(len(probabilities)) - len(probabilities) // 2)
    return min(1.0, float(probabilities[distance >= abs(np.sum(differences))].sum()))
