"""Which images teach best: every scenario's rank among those of its size, with an interval of the rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.formatting import formatted
from distillery.analysis.run_predictions import PredictionsByArm, TestPredictions

COLUMNS = (
    "size", "arm", "scenario", "n_classes", "n_ranked", "n_seeds", "n_test", "mean_percent", "rank", "rank_low",
    "rank_high", "best_percent", "note",
)  # fmt: skip
RESAMPLES = 2000
SEED = 0


def ranking_table(runs: PredictionsByArm, groups: pd.Series, sizes: Mapping[str, str], label: str = "") -> pd.DataFrame:
    """One row a (size, arm, scenario), the best first.

    Seeds and groups of near-duplicate test images are bootstrapped: drawn with replacement `RESAMPLES` times, the same
    groups for all scenarios. The draws give each rank's 95 % interval and how often each scenario comes first.

    Args:
        runs: test predictions by (scenario, arm).
        groups: near-duplicate group of every image, by (source, row).
        sizes: the size of every scenario; scenarios of one size, arm and set of classes are ranked together.
        label: column `note` of every row.
    """
    families: dict[tuple, list[str]] = {}
    for (scenario, arm), tested in runs.items():
        # scenarios with other classes are other tasks
        families.setdefault((sizes[scenario], arm, tuple(tested.known)), []).append(scenario)
    rows = []
    for (size, arm, known), scenarios in families.items():
        for row in _ranked([runs[scenario, arm] for scenario in scenarios], scenarios, groups):
            family = {"size": size, "arm": arm, "n_classes": len(known), "n_ranked": len(scenarios)}
            rows.append(family | row | {"note": label})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    places = dict.fromkeys(("n_classes", "n_ranked", "n_seeds", "n_test", "rank", "rank_low", "rank_high"), 0)
    return formatted(table, places | {"mean_percent": 2, "best_percent": 1})


def _ranked(tested: Sequence[TestPredictions], scenarios: Sequence[str], groups: pd.Series) -> list[dict[str, Any]]:
    """The rows of scenarios that are ranked together, the best first."""
    place = pd.factorize(groups.reindex(tested[0].places).to_numpy())[0]
    means = np.array([one.correct.mean() for one in tested])
    drawn = resampled_means([one.correct for one in tested], place, np.random.default_rng(SEED))
    ranks = 1 + (drawn[:, None, :] > drawn[:, :, None] + 1e-12).sum(axis=2)  # [B, K], ties share the better rank
    first = ranks == 1
    best = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
    order = np.argsort(-means, kind="stable")
    return [
        {
            "scenario": scenarios[k],
            "n_seeds": len(tested[k].seeds),
            "n_test": len(tested[k].labels),
            "mean_percent": 100 * means[k],
            "rank": 1 + int((means > means[k] + 1e-12).sum()),
            "rank_low": low[k],
            "rank_high": high[k],
            "best_percent": 100 * best[k],
        }
        for k in order
    ]


def resampled_means(corrects: Sequence[np.ndarray], groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Accuracies [B, K], 0 to 1, of K scenarios in B = `RESAMPLES` draws.

    A draw takes groups of test images, the same for all scenarios, and seeds of each scenario.

    Args:
        corrects: K arrays bool [S, N], whether a prediction is correct, of the same test images.
        groups: int [N], 0 to G − 1.
        rng: draws first the groups, then each scenario's seeds in order.
    """
    count = groups.max() + 1
    # how often each group is drawn, [B, G]
    weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(np.float64)
    drawn = weights @ np.bincount(groups, minlength=count)
    means = []
    for correct in corrects:
        sums = np.stack([np.bincount(groups, weights=row, minlength=count) for row in correct], axis=1)  # [G, S]
        seeds = rng.multinomial(len(correct), np.full(len(correct), 1 / len(correct)), size=RESAMPLES) / len(correct)
        means.append((weights @ sums * seeds).sum(axis=1) / drawn)
    return np.stack(means, axis=1)
