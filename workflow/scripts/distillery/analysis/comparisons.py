"""Tests of the declared comparisons: arms in one scenario, two scenarios with one arm, or two students.

Runs are paired by seed, predictions also by test image. The column `p` decides the verdict; figures and the page print
it. It allows for other trainings and other test images, and for other teachers and draws of train images where runs
differ in them (`designs.run_design`): Student's t on the sum of the variances. Only this table has two more p values:

* `p_given_images`: would other trainings on the same train and test images show the difference too? Exact sign-flip
  test over seeds.
* `p_given_trainings`: would the same trained networks show the difference on other test images too? Exact sign-flip
  test over groups of near-duplicates; with one seed and no near-duplicates it is McNemar's exact test.

Each p is Holm-corrected over the tests of its question, or over those of all questions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.declared_tests import Sides, sides_of
from distillery.analysis.designs.draws import scenarios_drawn_once
from distillery.analysis.designs.run_design import NO_DESIGN, TEACHER, RunDesign, over_runs, variance_components
from distillery.analysis.error_model import combine_variances, groups_sign_flip_p, over_images, over_seeds
from distillery.analysis.formatting import formatted, p_text
from distillery.analysis.pairing import accuracy_differences, aligned
from distillery.analysis.ranking import ranking_table
from distillery.analysis.run_predictions import PredictionsByArm, read_groups, read_test_predictions
from distillery.analysis.statistics import SIGNIFICANCE_LEVEL, compare_pairs, holm
from distillery.analysis.table_files import write_table

CHOOSING_TEACHER = "teacher that labels or chooses images"
COLUMNS = (
    "comparison", "question", "scenario", "arm", "versus_scenario", "versus_arm", "n_pairs", "n_test", "n_groups",
    "mean_percent", "versus_percent", "difference", "low", "high", "p", "p_holm", "correction", "verdict",
    "not_covered", "sd_by_cause", "detectable", "low_given_images", "high_given_images", "p_given_images",
    "p_given_images_least", "p_given_images_holm", "detectable_given_images", "low_given_trainings",
    "high_given_trainings", "p_given_trainings", "p_given_trainings_holm", "detectable_given_trainings", "gained",
    "lost", "note",
)  # fmt: skip
TESTED = ("p", "p_given_images", "p_given_trainings")
TEXT = (
    "comparison", "question", "scenario", "arm", "versus_scenario", "versus_arm", "correction", "verdict",
    "not_covered", "sd_by_cause", "note",
)  # fmt: skip
COUNTS = ("n_pairs", "n_test", "n_groups", "gained", "lost")


@dataclass(frozen=True)
class SharedByRuns:
    """What the runs of a study share.

    Attributes:
        design: which runs share a teacher or a draw of train images.
        without_teacher: arms that do not use the teacher. Another teacher does not change a difference between two of
            them on the same images.
        chosen_by_teacher: scenarios whose train images the first teacher labels or chooses, for all runs.
        drawn_once: scenarios whose draws all have the same images.
    """

    design: RunDesign = NO_DESIGN
    without_teacher: Collection[str] = ()
    chosen_by_teacher: Collection[str] = ()
    drawn_once: Collection[str] = ()

    def design_of(self, sides: Sides) -> RunDesign:
        """The design of one test's runs."""
        scenarios, arms = zip(sides.versus, sides.after, strict=True)
        draws = 1 if set(scenarios) <= set(self.drawn_once) else self.design.draws
        return replace(self.design, draws=draws, uses_teacher=not set(arms) <= set(self.without_teacher))

    def not_covered(self, sides: Sides, seeds: np.ndarray) -> list[str]:
        """Names of what no interval over a test's runs covers."""
        found = self.design_of(sides).not_covered(seeds)
        scenarios = {sides.versus[0], sides.after[0]}
        chosen = len(scenarios) > 1 and scenarios & set(self.chosen_by_teacher)
        if not chosen or TEACHER in found:
            return found
        return [TEACHER if self.design.teachers == 1 else CHOOSING_TEACHER, *found]


ONE_TEACHER_AND_DRAW = SharedByRuns()


def tabulate_comparisons(
    predictions: Iterable[str | Path],
    splits: str | Path,
    output: str | Path,
    ranking: str | Path,
    *,
    comparisons: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, str],
    arms: Sequence[str],
    correction: str = "question",
    label: str = "",
    design: RunDesign = NO_DESIGN,
    without_teacher: Collection[str] = (),
    chosen_by_teacher: Collection[str] = (),
    plans: Sequence[str | Path] = (),
) -> None:
    """Write the comparisons and the ranking, columns as in docs/tables.md.

    Args:
        predictions: `predictions.parquet` of every run.
        splits: the `.parquet` with every image's near-duplicate group.
        output, ranking: the `.csv` files to write.
        comparisons: as configured and validated.
        sizes: the size of every scenario, in the configuration's order.
        arms: all names, in the configuration's order.
        correction: see `comparisons_table`.
        label: column `note` of every row, for example that the numbers come from a demonstration.
        design, without_teacher, chosen_by_teacher: see `comparisons_table`.
        plans: `{scenario}.parquet` of every scenario and draw; empty if there is one draw.

    Raises:
        UserError: a file is damaged, or the runs of a comparison share no seed or no test image.
    """
    runs, groups = read_test_predictions(predictions, list(sizes), arms), read_groups(splits)
    shared = SharedByRuns(design, without_teacher, chosen_by_teacher, scenarios_drawn_once(plans))
    write_table(comparisons_table(runs, groups, comparisons, label, correction, shared), output)
    write_table(ranking_table(runs, groups, sizes, label, design), ranking)


def comparisons_table(
    runs: PredictionsByArm,
    groups: pd.Series,
    comparisons: Mapping[str, Mapping[str, Any]],
    label: str = "",
    correction: str = "question",
    shared: SharedByRuns = ONE_TEACHER_AND_DRAW,
) -> pd.DataFrame:
    """One row per test: the comparisons in order, each in every scenario (or with every arm) that it is declared for.

    Tests of scenarios that are not run are left out; they do not count in the correction.

    Args:
        runs: test predictions by (scenario, arm).
        groups: near-duplicate group of every image, by (source, row).
        comparisons: as configured.
        label: column `note` of every row.
        correction: `question` corrects p over the tests of each question, `study` over those of all questions.
        shared: what the study's runs share; by default all have one teacher and one draw.
    """
    run = {
        name: [sides for sides in sides_of(declared) if sides.versus in runs and sides.after in runs]
        for name, declared in comparisons.items()
    }
    total = sum(map(len, run.values()))
    rows = [
        {"comparison": name, "question": comparisons[name]["question"], "note": label}
        | _row(
            runs,
            groups,
            sides,
            shared,
            total if correction == "study" else len(tests),
        )
        for name, tests in run.items()
        for sides in tests
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    families = [table.index] if correction == "study" else table.groupby("comparison").groups.values()
    for name, family in product(TESTED, families):
        table.loc[family, f"{name}_holm"] = holm(table.loc[family, name].to_numpy(dtype=float))
    table["verdict"] = [_verdict(*row) for row in zip(table["p_holm"], table["difference"], strict=True)]
    table["correction"] = correction_name(correction)
    probabilities = [name for name in COLUMNS if name == "p" or name.startswith("p_")]
    points = [name for name in COLUMNS if name not in (*TEXT, *COUNTS, *probabilities)]
    table[probabilities] = table[probabilities].astype(float).map(p_text)
    return formatted(table, dict.fromkeys(COUNTS, 0) | dict.fromkeys(points, 2))


def correction_name(correction: str) -> str:
    """The correction of p in words, for tables, figures and the page."""
    return {"question": "Holm, within the question", "study": "Holm, over all questions"}[correction]


def _row(runs: PredictionsByArm, groups: pd.Series, sides: Sides, shared: SharedByRuns, tests: int) -> dict[str, Any]:
    design = shared.design_of(sides)
    pairs = aligned(runs[sides.versus], runs[sides.after], groups, sides)
    before, after = pairs.before, pairs.after
    row: dict[str, Any] = dict(zip(("versus_scenario", "versus_arm"), sides.versus, strict=True))
    row |= dict(zip(("scenario", "arm"), sides.after, strict=True))
    row |= {"n_pairs": len(before), "n_test": before.shape[1], "n_groups": len(np.unique(pairs.groups))}
    row |= {
        "mean_percent": (100 * after.mean(axis=1)).mean(),
        "versus_percent": (100 * before.mean(axis=1)).mean(),
    }
    row |= {"not_covered": ", ".join(shared.not_covered(sides, pairs.seeds))}
    causes = variance_components(accuracy_differences(before, after), pairs.seeds, design)
    row["sd_by_cause"] = "; ".join(f"{name} {variance**0.5:.2f}" for name, variance in causes.items())
    return row | compare(before, after, pairs.groups, tests, pairs.seeds, design)


def compare(
    before: np.ndarray,
    after: np.ndarray,
    groups: np.ndarray,
    tests: int = 1,
    numbers: np.ndarray | None = None,
    design: RunDesign = NO_DESIGN,
) -> dict[str, float]:
    """The difference `after` − `before` in percentage points, with intervals, p and detectable differences.

    Args:
        before, after: bool [S, N], whether a prediction is correct; seeds and images are paired.
        groups: [N], near-duplicate group of each image.
        tests: number of tests that are corrected together.
        numbers: int [S], the seeds; 0, 1, … by default.
        design: which runs share a teacher or a draw of train images.

    Returns:
        The numeric columns of the table, with uncorrected p; NaN for what cannot be estimated.
    """
    change = after.astype(np.int64) - before
    # the same formula as in the summary, so that both tables agree to the last bit
    accuracies = [100 * side.sum(axis=1) / side.shape[1] for side in (before, after)]
    pairs, seeds = compare_pairs(*accuracies), over_seeds(accuracies[1] - accuracies[0])
    images = over_images(100 * change.mean(axis=0), groups, unit=100)
    numbers = np.arange(len(before)) if numbers is None else numbers
    both = combine_variances(over_runs(accuracies[1] - accuracies[0], numbers, design), images)
    row: dict[str, float] = {"difference": pairs.difference, "p": both.p()}
    row["p_given_images_least"] = pairs.p_least
    row["p_given_images"] = pairs.p if pairs.n > 1 else nan  # with one pair p is always 1
    row["p_given_trainings"] = groups_sign_flip_p(change.sum(axis=0), groups)
    for suffix, error in (("", both), ("_given_images", seeds), ("_given_trainings", images)):
        row[f"low{suffix}"], row[f"high{suffix}"] = np.clip(error.interval(), -100, 100)
    row |= {"gained": int((change > 0).sum()), "lost": int((change < 0).sum())}
    # Holm's correction tests the smallest of several p values at this level
    level = SIGNIFICANCE_LEVEL / tests
    row |= {
        "detectable": _possible(both.detectable(level)),
        "detectable_given_trainings": _possible(images.detectable(level)),
    }
    # a sign-flip test whose smallest p is above the level never rejects, however large the difference
    row["detectable_given_images"] = _possible(seeds.detectable(level)) if pairs.p_least <= level else nan
    if np.isnan(pairs.low):  # one pair, or all differences equal: no variance can be estimated
        row |= dict.fromkeys(("low_given_images", "high_given_images", "detectable_given_images"), nan)
    return row


def _possible(difference: float) -> float:
    """The difference, or NaN above 100 points, because no two accuracies differ by more."""
    return difference if difference <= 100 else nan


def _verdict(p: float, difference: float) -> str:
    """The verdict from the corrected p; blank if p is NaN."""
    if np.isnan(p):
        return ""
    return "no significant difference" if p > SIGNIFICANCE_LEVEL else "better" if difference > 0 else "worse"
