"""Ranks scenarios and arms, with intervals, and finds those that may be the best.

The highest of several means tends to lie above its true accuracy, so a winner alone says little. Instead every pair of
the K candidates is tested, and the statement about a candidate uses its K − 1 tests at a level of 0.05 / (K − 1) each
(half of it per side for ranks). With a probability of at least 95 %

* the truly best candidate is in the set of those that no other is significantly better than (Gupta 1965; Hsu 1981),
* a candidate's true rank lies between 1 + the number of those significantly better, and K − the number of those
  significantly worse (Klein, Wright and Wieczorek 2020).

`distillery.analysis.designs.simulate_coverage` checks both in simulated studies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.declared_tests import Sides
from distillery.analysis.designs.run_design import NO_DESIGN, RunDesign
from distillery.analysis.error_model import ErrorModel
from distillery.analysis.formatting import formatted
from distillery.analysis.pairing import aligned, paired_error
from distillery.analysis.run_predictions import PredictionsByArm
from distillery.analysis.statistics import SIGNIFICANCE_LEVEL

COLUMNS = (
    "size", "arm", "scenario", "n_classes", "n_seeds", "n_test", "mean_percent", "n_ranked", "rank", "rank_low",
    "rank_high", "n_compared", "among_best", "note",
)  # fmt: skip


def ranking_table(
    runs: PredictionsByArm,
    groups: pd.Series,
    sizes: Mapping[str, str],
    label: str = "",
    design: RunDesign = NO_DESIGN,
) -> pd.DataFrame:
    """One row per (size, arm, scenario), ordered by mean accuracy within each size and arm.

    Ranks compare the scenarios of one size, arm and set of classes. The set of the best compares all scenarios and arms
    of one size and set of classes.

    Args:
        runs: test predictions by (scenario, arm).
        groups: near-duplicate group of every image, by (source, row).
        sizes: the size of every scenario.
        label: column `note` of every row.
        design: which runs share a teacher or a draw of train images.
    """
    families: dict[tuple[str, tuple[int, ...]], list[tuple[str, str]]] = {}
    for key, tested in runs.items():
        # scenarios with different classes are different tasks
        families.setdefault((sizes[key[0]], tuple(tested.known)), []).append(key)
    rows: list[dict[str, Any]] = []
    for (size, known), keys in families.items():
        shared = {"size": size, "n_classes": len(known), "n_compared": len(keys), "note": label}
        rows += [shared | row for row in _ranked(runs, keys, groups, design)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    counts = ("n_classes", "n_seeds", "n_test", "n_ranked", "rank", "rank_low", "rank_high", "n_compared")
    return formatted(table, dict.fromkeys(counts, 0) | {"mean_percent": 2})


def _ranked(
    runs: PredictionsByArm, keys: Sequence[tuple[str, str]], groups: pd.Series, design: RunDesign
) -> Iterator[dict[str, Any]]:
    """The rows of scenarios and arms that are compared: arm by arm, scenarios by descending mean accuracy."""
    means, pairs = np.array([runs[key].correct.mean() for key in keys]), pair_errors(runs, keys, groups, design)
    arms = [arm for _, arm in keys]
    best = pairs.among_best(range(len(keys)))
    for arm in dict.fromkeys(arms):
        family = [k for k, name in enumerate(arms) if name == arm]
        ends = pairs.rank_intervals(family)
        for k in sorted(family, key=lambda k: -means[k]):
            yield {
                "arm": arm,
                "scenario": keys[k][0],
                "n_seeds": len(runs[keys[k]].seeds),
                "n_test": len(runs[keys[k]].labels),
                "mean_percent": 100 * means[k],
                "n_ranked": len(family),
                "rank": 1 + int((means[family] > means[k] + 1e-12).sum()),
                "rank_low": ends[k][0],
                "rank_high": ends[k][1],
                "among_best": best[k],
            }


@dataclass(frozen=True)
class PairErrors:
    """Tests of every pair of several scenarios and arms.

    Attributes:
        errors: the difference j − k with its error, for each pair j < k of indices.
    """

    errors: Mapping[tuple[int, int], ErrorModel]

    def is_better(self, j: int, k: int, level: float) -> bool | None:
        """Whether j is significantly better than k in a one-sided test; None if no error can be estimated."""
        error, sign = (self.errors[j, k], 1) if j < k else (self.errors[k, j], -1)
        return None if np.isnan(error.se) else sign * error.mean > error.reach(level)

    def among_best(self, family: Sequence[int]) -> dict[int, str]:
        """`yes` for each that no other of the family is significantly better than, else `no`; blank with one seed."""
        level = SIGNIFICANCE_LEVEL / max(1, len(family) - 1)
        found = {}
        for k in family:
            better = [self.is_better(j, k, level) for j in family if j != k]
            found[k] = "" if None in better else "no" if any(better) else "yes"
        return found

    def rank_intervals(self, family: Sequence[int]) -> dict[int, tuple[float, float]]:
        """95 % interval of the rank of each in the family, 1 is best; NaN with one seed."""
        level = SIGNIFICANCE_LEVEL / 2 / max(1, len(family) - 1)  # of each side
        found = {}
        for k in family:
            better = [self.is_better(j, k, level) for j in family if j != k]
            worse = [self.is_better(k, j, level) for j in family if j != k]
            if None in better:
                found[k] = np.nan, np.nan
            else:
                found[k] = 1.0 + sum(map(bool, better)), float(len(family) - sum(map(bool, worse)))
        return found


def pair_errors(
    runs: PredictionsByArm, keys: Sequence[tuple[str, str]], groups: pd.Series, design: RunDesign
) -> PairErrors:
    """Estimate the difference of every pair, with its error.

    Args:
        runs: test predictions by (scenario, arm).
        keys: the (scenario, arm) to compare; their positions are the indices of `PairErrors`.
        groups: near-duplicate group of every image, by (source, row).
        design: which runs share a teacher or a draw of train images.
    """
    errors = {}
    for k, versus in enumerate(keys):
        for j in range(k):
            pairs = aligned(runs[versus], runs[keys[j]], groups, Sides(versus, keys[j]))
            errors[j, k] = paired_error(pairs.before, pairs.after, pairs.groups, pairs.seeds, design)
    return PairErrors(errors)
