"""The comparisons declared in the configuration: two arms in every scenario, or two scenarios under every arm.

Runs are compared in pairs of equal seed and test image. Each difference is tested in three ways:

* over seeds: would other trainings on these train and test images differ alike? Exact sign-flip test.
* over images: would these trained networks differ alike on other test images? Exact sign-flip test over groups of
  near-duplicates; with one seed and no near-duplicates it is McNemar's exact test.
* over both, which the verdict uses: Student's t with both variances added.

p values are corrected (Holm) over the tests of one comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.error_model import combine_variances, groups_sign_flip_p, over_images, over_seeds
from distillery.analysis.formatting import P_DECIMALS, formatted
from distillery.analysis.ranking import ranking_table
from distillery.analysis.run_predictions import PredictionsByArm, TestPredictions, read_groups, read_test_predictions
from distillery.analysis.statistics import compare_pairs, holm
from distillery.analysis.table_files import write_table
from distillery.jobs import UserError

COLUMNS = (
    "comparison", "question", "scenario", "arm", "versus_scenario", "versus_arm", "n_pairs", "n_test", "n_groups",
    "mean_percent", "versus_percent", "difference", "low", "high", "p", "p_holm", "verdict", "detectable", "seeds_low",
    "seeds_high", "p_seeds", "p_seeds_least", "p_seeds_holm", "detectable_seeds", "images_low", "images_high",
    "p_images", "p_images_holm", "detectable_images", "gained", "lost", "note",
)  # fmt: skip
SIGNIFICANCE_LEVEL = 0.05  # of a family of tests: all tests of one comparison
CORRECTED = ("p", "p_seeds", "p_images")
TEXT = ("comparison", "question", "scenario", "arm", "versus_scenario", "versus_arm", "verdict", "note")
COUNTS = ("n_pairs", "n_test", "n_groups", "gained", "lost")


@dataclass(frozen=True)
class Sides:
    """The two (scenario, arm) of a test: the difference is `after` less `versus`."""

    versus: tuple[str, str]
    after: tuple[str, str]


def tabulate_comparisons(
    predictions: Iterable[str | Path],
    splits: str | Path,
    output: str | Path,
    ranking: str | Path,
    *,
    comparisons: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, str],
    arms: Sequence[str],
    label: str = "",
) -> None:
    """Write the comparisons and the ranking, columns as in docs/tables.md.

    Args:
        predictions: `predictions.parquet` of every run.
        splits: the `.parquet` with every image's near-duplicate group.
        output, ranking: the `.csv` to write.
        comparisons: as configured and validated.
        sizes: the size of every scenario, in the configuration's order.
        arms: all names, in the configuration's order.
        label: column `note` of every row, such as that the numbers come from a demonstration.

    Raises:
        UserError: a file is damaged, or the runs of a comparison share no seed or no test image.
    """
    runs, groups = read_test_predictions(predictions, list(sizes), arms), read_groups(splits)
    write_table(comparisons_table(runs, groups, comparisons, label), output)
    write_table(ranking_table(runs, groups, sizes, label), ranking)


def comparisons_table(
    runs: PredictionsByArm, groups: pd.Series, comparisons: Mapping[str, Mapping[str, Any]], label: str = ""
) -> pd.DataFrame:
    """One row a test: the comparisons in order, each in every scenario (or under every arm) it is declared for.

    Tests of scenarios that are not run are left out, and the others of the comparison are corrected without them.
    """
    parts = []
    for name, declared in comparisons.items():
        tests = [sides for sides in sides_of(declared) if sides.versus in runs and sides.after in runs]
        if not tests:
            continue
        rows = [_row(runs, groups, sides, len(tests)) for sides in tests]
        table = pd.DataFrame(rows).assign(comparison=name, question=declared["question"], note=label)
        parts.append(_corrected(table.reindex(columns=list(COLUMNS))))
    table = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=list(COLUMNS))], ignore_index=True)
    points = [name for name in COLUMNS if name not in (*TEXT, *COUNTS) and not name.startswith("p_") and name != "p"]
    places = dict.fromkeys(COUNTS, 0) | dict.fromkeys(points, 2)
    return formatted(table, places | {name: P_DECIMALS for name in COLUMNS if name == "p" or name.startswith("p_")})


def sides_of(declared: Mapping[str, Any]) -> Iterator[Sides]:
    """The tests of a declared comparison, in order."""
    for place in declared["within"]:
        if declared.get("arms"):
            before, after = declared["arms"]
            yield Sides((place, before), (place, after))
        else:
            before, after = declared["scenarios"]
            yield Sides((before, place), (after, place))


def _row(runs: PredictionsByArm, groups: pd.Series, sides: Sides, tests: int) -> dict[str, Any]:
    before, after, names = aligned(runs[sides.versus], runs[sides.after], groups, sides)
    row: dict[str, Any] = dict(zip(("versus_scenario", "versus_arm"), sides.versus, strict=True))
    row |= dict(zip(("scenario", "arm"), sides.after, strict=True))
    row |= {"n_pairs": len(before), "n_test": before.shape[1], "n_groups": len(np.unique(names))}
    row |= {
        "mean_percent": (100 * after.mean(axis=1)).mean(),
        "versus_percent": (100 * before.mean(axis=1)).mean(),
    }
    return row | compare(before, after, names, tests)


def aligned(
    before: TestPredictions, after: TestPredictions, groups: pd.Series, sides: Sides
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which predictions are correct on both sides, for the seeds and images that they share.

    Returns:
        bool [S, N] of `before`, the same of `after`, and the images' near-duplicate groups [N].

    Raises:
        UserError: they share no seed or no test image, or an image has no group.
    """
    seeds, first, second = np.intersect1d(before.seeds, after.seeds, return_indices=True)
    where = after.places.get_indexer(before.places)
    shared = where >= 0
    if not len(seeds) or not shared.any():
        raise UserError(
            f"{' '.join(sides.versus)} and {' '.join(sides.after)} share no seed or no test image,"
            " so they cannot be compared. Take the comparison out or run them again."
        )
    names = groups.reindex(before.places[shared])
    if names.isna().any():
        raise UserError("results/splits.parquet lacks test images of the runs. Delete results/runs and run again.")
    return before.correct[first][:, shared], after.correct[second][:, where[shared]], names.to_numpy()


def compare(before: np.ndarray, after: np.ndarray, groups: np.ndarray, tests: int = 1) -> dict[str, float]:
    """The difference `after` less `before` in percentage points, with intervals, p and detectable differences.

    Args:
        before, after: bool [S, N], whether a prediction is correct; seeds and images are paired.
        groups: [N], near-duplicate group of each image.
        tests: number of tests in this one's family.

    Returns:
        The columns of the table that are numbers, p not yet corrected; NaN where something cannot be estimated.
    """
    change = after.astype(np.int64) - before
    # computed as for the summary, so that both agree to the last bit
    accuracies = [100 * side.sum(axis=1) / side.shape[1] for side in (before, after)]
    pairs, seeds = compare_pairs(*accuracies), over_seeds(accuracies[1] - accuracies[0])
    images = over_images(100 * change.mean(axis=0), groups, unit=100)
    both = combine_variances(seeds, images)
    row: dict[str, float] = {"difference": pairs.difference, "p": both.p(), "p_seeds_least": pairs.p_least}
    row["p_seeds"] = pairs.p if pairs.n > 1 else nan  # with one pair p is always 1
    row["p_images"] = groups_sign_flip_p(change.sum(axis=0), groups)
    for prefix, error in (("", both), ("seeds_", seeds), ("images_", images)):
        row[f"{prefix}low"], row[f"{prefix}high"] = np.clip(error.interval(), -100, 100)
    row |= {"gained": int((change > 0).sum()), "lost": int((change < 0).sum())}
    # Holm's correction tests the smallest p of a family at this level
    level = SIGNIFICANCE_LEVEL / tests
    row |= {
        "detectable": _possible(both.detectable(level)),
        "detectable_images": _possible(images.detectable(level)),
    }
    # a sign-flip test whose smallest p is above the level never rejects, however large the difference
    row["detectable_seeds"] = _possible(seeds.detectable(level)) if pairs.p_least <= level else nan
    if np.isnan(pairs.low):  # one pair, or equal differences: their variance cannot be estimated
        row |= dict.fromkeys(("seeds_low", "seeds_high", "detectable_seeds"), nan)
    return row


def _possible(difference: float) -> float:
    """NaN for a difference above 100 points, which no two accuracies have."""
    return difference if difference <= 100 else nan


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """The tests of one comparison with their corrected p and verdict."""
    for name in CORRECTED:
        table[f"{name}_holm"] = holm(table[name].to_numpy(dtype=float))
    table["verdict"] = [_verdict(*row) for row in zip(table["p_holm"], table["difference"], strict=True)]
    return table


def _verdict(p: float, difference: float) -> str:
    """Blank if p, which is corrected, is NaN."""
    if np.isnan(p):
        return ""
    return "no significant difference" if p > SIGNIFICANCE_LEVEL else "better" if difference > 0 else "worse"
