"""Which teacher and which draw of train images each run has, and the error of a mean over such runs.

Run n has seed n, teacher n mod K and draw n mod D. The difference of two arms varies with the training, the teacher,
the draw of train images and the test images. Runs that share a teacher or a draw are not independent. So the error of a
mean over runs is computed from groups of runs: those with one teacher, those with one draw, or single runs if nothing
is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distillery.analysis.error_model import ErrorModel, over_seeds

TRAINING, TEACHER, DRAW = "training", "teacher", "draw of train images"


@dataclass(frozen=True)
class RunDesign:
    """The teachers and draws of a study, or of one comparison in it.

    Attributes:
        teachers: K ≥ 1; run n has teacher n mod K.
        draws: D ≥ 1; run n has draw n mod D.
        uses_teacher: whether any of the compared arms uses the teacher; if none does, another teacher changes nothing.
    """

    teachers: int = 1
    draws: int = 1
    uses_teacher: bool = True

    def levels(self, seeds: np.ndarray) -> dict[str, np.ndarray]:
        """Index of each run's teacher and draw, int [S] each, by factor name; no teacher if no arm uses it.

        Args:
            seeds: int [S], the runs' numbers.
        """
        found = {TEACHER: seeds % self.teachers, DRAW: seeds % self.draws}
        return found if self.uses_teacher else {DRAW: found[DRAW]}

    def not_covered(self, seeds: np.ndarray) -> list[str]:
        """Names of the factors with one level in all runs; no interval over runs covers them."""
        return [name for name, levels in self.levels(seeds).items() if len(np.unique(levels)) == 1]


NO_DESIGN = RunDesign()


def over_runs(values: np.ndarray, seeds: np.ndarray, design: RunDesign = NO_DESIGN) -> ErrorModel:
    """The error of a mean over runs, with a variance for each of the `coarsest` groupings.

    Where one grouping is nested in another (each draw has one teacher), the coarser one contains the finer one's
    variance. Where they cross, both variances are added: each contains that of the training, so the sum is at least the
    variance of the mean. `simulate_coverage` checks this in simulated studies.

    Args:
        values: float [S], one per run.
        seeds: int [S], the runs' numbers.
        design: which runs share a teacher or a draw.
    """
    groupings = coarsest([levels for levels in design.levels(seeds).values() if len(np.unique(levels)) > 1])
    parts = [_over_groups(values, levels) for levels in groupings] or [over_seeds(values)]
    variances = tuple(variance for part in parts for variance in part.variances)
    return ErrorModel(parts[0].mean, variances, tuple(dof for part in parts for dof in part.dofs))


def coarsest(groupings: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The groupings that are not nested in another one; of equal ones the first.

    Args:
        groupings: int [S] each, group of each run.
    """
    kept: list[np.ndarray] = []
    for levels in sorted(groupings, key=lambda levels: len(np.unique(levels))):
        if not any(_is_within(levels, coarse) for coarse in kept):
            kept.append(levels)
    return kept


def _is_within(fine: np.ndarray, coarse: np.ndarray) -> bool:
    """Whether `fine` is nested in `coarse`: each group of `fine` lies in one group of `coarse`."""
    return len(np.unique(np.stack([fine, coarse]), axis=1).T) == len(np.unique(fine))


def _over_groups(values: np.ndarray, levels: np.ndarray) -> ErrorModel:
    """The error of the mean of all values, where those of one group are not independent.

    The linearized variance of a ratio of sums over groups (Cochran 1977, *Sampling Techniques*, § 9A.1); with one value
    per group it equals that of `over_seeds`.
    """
    if len(np.unique(levels)) == len(values):
        return over_seeds(values)
    _, place = np.unique(levels, return_inverse=True)
    residuals = np.bincount(place, weights=values - values.mean())
    count = len(residuals)
    variance = count / (count - 1) * (residuals**2).sum() / len(values) ** 2
    return ErrorModel(float(values.mean()), (float(variance),), (count - 1,))


def variance_components(values: np.ndarray, seeds: np.ndarray, design: RunDesign = NO_DESIGN) -> dict[str, float]:
    """Variance components of single runs: `training`, `teacher`, `draw of train images`.

    Henderson's first method (1953): the sums of squares between and within groups are set equal to their expectations.
    Factors with the same groups of runs, such as teacher and draw if both change with every run, are estimated together
    under a joint name. Factors with one level are left out.

    Args:
        values, seeds, design: as in `over_runs`.

    Returns:
        Estimated variances, at least 0, by name; empty for one run.
    """
    shared: dict[tuple[int, ...], list[str]] = {}  # grouping → names of its factors
    groupings = {TRAINING: np.arange(len(values))} | design.levels(seeds)
    for name, levels in groupings.items():
        if len(np.unique(levels)) > 1:
            shared.setdefault(tuple(np.unique(levels, return_inverse=True)[1]), []).append(name)
    # for each grouping with indicator matrix Z: Z Zᵀ, 1 where two runs share a level
    same = [np.equal.outer(levels, levels).astype(float) for levels in map(np.array, shared)]
    center = np.full((len(values),) * 2, 1 / len(values))
    # quadratic forms of the sums of squares: projection on the group means minus that on the overall mean
    forms = [together / together.sum(axis=1) - center for together in same]
    if not forms:
        return {}
    expected = np.array([[np.trace(form @ together) for together in same] for form in forms])
    observed = np.array([values @ form @ values for form in forms])
    solved = np.linalg.lstsq(expected, observed, rcond=None)[0]
    return {" + ".join(names): max(0.0, float(part)) for names, part in zip(shared.values(), solved, strict=True)}
