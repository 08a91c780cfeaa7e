"""The study's declared questions: two arms in every scenario, or two scenarios under every arm, tested in pairs.

Three answers to one difference, each to another question:

* over seeds: would other trainings on these images, tested on these, differ likewise? Exact sign-flip test.
* over images: would these very networks differ likewise on other test images? Exact sign-flip test over groups of
  near-duplicates, McNemar's where there is one seed and no near-duplicates.
* over both, which the verdict rests on: Student's t with both variances added.

Each is corrected (Holm) over the tests of its question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.formatting import P_DECIMALS, formatted
from distillery.analysis.ranking import ranking_table
from distillery.analysis.run_predictions import Runs, TestPredictions, read_groups, read_runs
from distillery.analysis.statistics import (
    combine_variances,
    compare_pairs,
    groups_sign_flip_p,
    holm,
    over_images,
    over_seeds,
)
from distillery.analysis.table_files import write_table
from distillery.jobs import UserError

COLUMNS = (
    "comparison", "question", "scenario", "arm", "versus_scenario", "versus_arm", "n_pairs", "n_test", "n_groups",
    "mean_percent", "versus_percent", "difference", "low", "high", "p", "p_holm", "verdict", "detectable", "seeds_low",
    "seeds_high", "p_seeds", "p_seeds_least", "p_seeds_holm", "detectable_seeds", "images_low", "images_high",
    "p_images", "p_images_holm", "detectable_images", "gained", "lost", "note",
)  # fmt: skip
LEVEL = 0.05  # of a family of tests
FAMILIES = ("p", "p_seeds", "p_images")
TEXT = ("comparison", "question", "scenario", "arm", "versus_scenario", "versus_arm", "verdict", "note")
COUNTS = ("n_pairs", "n_test", "n_groups", "gained", "lost")


@dataclass(frozen=True)
class Sides:
    """What is compared with what: two (scenario, arm)."""

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
        predictions: of every run.
        splits: the `.parquet` that names near-duplicates.
        output, ranking: the `.csv` to write.
        comparisons: as configured, checked.
        sizes: the size of every scenario, in the configuration's order.
        arms: all names, in the configuration's order.
        label: what must be said of all numbers, such as that they come from a demonstration.
    """
    runs, groups = read_runs(predictions, list(sizes), arms), read_groups(splits)
    write_table(comparisons_table(runs, groups, comparisons, label), output)
    write_table(ranking_table(runs, groups, sizes, label), ranking)


def comparisons_table(
    runs: Runs, groups: pd.Series, comparisons: Mapping[str, Mapping[str, Any]], label: str = ""
) -> pd.DataFrame:
    """One row a test: the comparisons in their order, each in every scenario (or arm) it is declared for."""
    parts = []
    for name, declared in comparisons.items():
        tests = list(sides_of(declared))
        rows = [_row(runs, groups, sides, len(tests)) for sides in tests]
        table = pd.DataFrame(rows).assign(comparison=name, question=declared["question"], note=label)
        parts.append(_corrected(table.reindex(columns=COLUMNS)))
    table = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    points = [name for name in COLUMNS if name not in (*TEXT, *COUNTS) and not name.startswith("p_") and name != "p"]
    places = dict.fromkeys(COUNTS, 0) | dict.fromkeys(points, 2)
    return formatted(table, places | {name: P_DECIMALS for name in COLUMNS if name == "p" or name.startswith("p_")})


def sides_of(declared: Mapping[str, Any]) -> Iterator[Sides]:
    """The pairs that a declared comparison tests, in order."""
    for place in declared["within"]:
        if declared.get("arms"):
            before, after = declared["arms"]
            yield Sides((place, before), (place, after))
        else:
            before, after = declared["scenarios"]
            yield Sides((before, place), (after, place))


def _row(runs: Runs, groups: pd.Series, sides: Sides, tests: int) -> dict[str, Any]:
    before, after, names = aligned(runs[sides.versus], runs[sides.after], groups, sides)
    row = dict(zip(("versus_scenario", "versus_arm"), sides.versus, strict=True))
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
    """Rights of both sides, bool [S, N] each, for equal seeds and images, and the images' groups [N].

    Raises:
        UserError: they have no seed or no test image in common, or an image has no group.
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
    """All that is said of one difference, in percentage points and p.

    Args:
        before, after: bool [S, N], right or not, seeds and images paired.
        groups: [N], near-duplicates.
        tests: in the family that this one is of.
    """
    change = after.astype(np.int64) - before
    # as the summary has them, to the last bit
    accuracies = [100 * side.sum(axis=1) / side.shape[1] for side in (before, after)]
    pairs, seeds = compare_pairs(*accuracies), over_seeds(accuracies[1] - accuracies[0])
    images = over_images(100 * change.mean(axis=0), groups, unit=100)
    both = combine_variances(seeds, images)
    row = {"difference": pairs.difference, "p": both.p(), "p_seeds_least": pairs.p_least}
    row["p_seeds"] = pairs.p if pairs.n > 1 else nan  # one pair can show nothing
    row["p_images"] = groups_sign_flip_p(change.sum(axis=0), groups)
    for prefix, spread in (("", both), ("seeds_", seeds), ("images_", images)):
        row[f"{prefix}low"], row[f"{prefix}high"] = np.clip(spread.interval(), -100, 100)
    row |= {"gained": int((change > 0).sum()), "lost": int((change < 0).sum())}
    # the first of its family to be tested has to pass this
    level = LEVEL / tests
    row |= {
        "detectable": _possible(both.detectable(level)),
        "detectable_images": _possible(images.detectable(level)),
    }
    # a sign-flip test that cannot get below its level finds nothing, however large
    row["detectable_seeds"] = _possible(seeds.detectable(level)) if pairs.p_least <= level else nan
    if np.isnan(pairs.low):  # one pair, or all differ alike, which tells nothing of other trainings
        row |= dict.fromkeys(("seeds_low", "seeds_high", "detectable_seeds"), nan)
    return row


def _possible(difference: float) -> float:
    """NaN for a difference that no two accuracies have."""
    return difference if difference <= 100 else nan


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """With the corrected p, the verdict, and what such a test could have found."""
    for name in FAMILIES:
        table[f"{name}_holm"] = holm(table[name].to_numpy(dtype=float))
    table["verdict"] = [_verdict(*row) for row in zip(table["p_holm"], table["difference"], strict=True)]
    return table


def _verdict(p: float, difference: float) -> str:
    if np.isnan(p):
        return ""
    return "no significant difference" if p > LEVEL else "better" if difference > 0 else "worse"
