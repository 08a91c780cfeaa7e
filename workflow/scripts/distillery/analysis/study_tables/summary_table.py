"""The summary table: one row per (scenario, arm), with its mean over seeds, interval and paired difference.

Rows are in the configuration's order and numbers have fixed decimals, so that the same runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from distillery.analysis.formatting import formatted, mean_columns
from distillery.analysis.study_tables.plan_images import PlanCounts
from distillery.analysis.study_tables.runs_table import NONE_NOT_RUN
from distillery.display_names import NO_TITLES, cleaning_text, source_title, train_text
from distillery.jobs import UserError

SUMMARY_COLUMNS = (
    "scenario", "size", "arm", "train", "clean", "n_train", "n_train_requested", "n_test", "n_classes", "n_seeds",
    "mean_percent", "sd", "low", "high", "comparison", "versus", "difference", "difference_low", "difference_high",
    "n_pairs", "p_holm", "correction", "verdict", "not_covered", "published_site", "published_notebook",
    "published_test", "untrained", "note", "not_run",
)  # fmt: skip
# column of the summary → column of comparisons.csv that it is copied from
COMPARED = {
    "comparison": "comparison", "versus": "versus_arm", "difference": "difference", "difference_low": "low",
    "difference_high": "high", "n_pairs": "n_pairs", "p_holm": "p_holm", "correction": "correction",
    "verdict": "verdict", "not_covered": "not_covered",
}  # fmt: skip
# must be equal in all runs of one (scenario, arm); otherwise a mean over them has no meaning
CONSTANT = ("n_train", "n_test", "n_classes", "steps", "network")


def summary_table(
    runs: pd.DataFrame,
    plans: Mapping[str, PlanCounts],
    scenarios: Mapping[str, Mapping[str, Any]],
    comparisons: pd.DataFrame,
    label: str = "",
    untrained: Sequence[str] = (),
    titles: Mapping[str, str] = NO_TITLES,
    not_run: Mapping[str, str] = NONE_NOT_RUN,
    lacking: str = "",
) -> pd.DataFrame:
    """One row per (scenario, arm): mean over seeds, interval, its first declared comparison, published numbers.

    A scenario that is not run has a row for each of its arms, with the reason and blank numbers.

    Args:
        runs: from `read_run_tables`.
        plans: numbers of planned train images, by scenario. Without a plan, the requested numbers are shown.
        scenarios: as configured, in order.
        comparisons: `comparisons.csv`, every cell as text.
        label: column `note` of every row, for example that the numbers come from a demonstration.
        untrained: sources whose diffusion model has random weights, so that their images are noise.
        titles: title of each source, from `display_names.source_titles`; names by default.
        not_run: reason why a scenario is not run, by scenario.
        lacking: images missing from the common test and validation sets because a source refused, in words. If not
            empty, the table has a column `lacking` with this text in every row.

    Raises:
        UserError: the runs of one (scenario, arm) differ in their numbers of images, classes or steps, or in network.
    """
    rows = []
    for (scenario, arm), group in runs.groupby(["scenario", "arm"], sort=False):
        settings = scenarios.get(scenario, {})
        row = {"scenario": scenario, "arm": arm, **_images_columns(group, settings, plans.get(scenario), titles)}
        row["clean"] = cleaning_text(settings.get("clean", False))
        row |= (
            mean_columns(_accuracies(group))
            | _compared(comparisons, scenario, arm)
            | _published(settings.get("published") or {}, arm)
        )
        noise = [source_title(source, titles) for source in settings.get("train", ()) if source in untrained]
        rows.append(row | {"untrained": ", ".join(noise), "note": label})
    rows += _rows_not_run(scenarios, label, untrained, titles, not_run)
    place = {name: i for i, name in enumerate(scenarios)}
    rows.sort(key=lambda row: place.get(row["scenario"], len(place)))  # stable: scenarios that are run keep their order
    table = pd.DataFrame(rows).reindex(columns=list(SUMMARY_COLUMNS))
    if lacking:
        table.insert(len(SUMMARY_COLUMNS) - 1, "lacking", lacking)
    return _formatted(table)


def _rows_not_run(
    scenarios: Mapping[str, Mapping[str, Any]],
    label: str,
    untrained: Sequence[str],
    titles: Mapping[str, str],
    not_run: Mapping[str, str],
) -> list[dict[str, Any]]:
    """A row for each arm of each scenario that is not run, with the requested images and the reason."""
    return [
        {
            "scenario": scenario,
            "size": settings.get("size", ""),
            "arm": arm,
            "train": train_text(settings["train"], settings.get("augment", "none"), titles=titles),
            "clean": cleaning_text(settings.get("clean", False)),
            "untrained": ", ".join(source_title(name, titles) for name in settings["train"] if name in untrained),
            "note": label,
            "not_run": not_run[scenario],
        }
        for scenario, settings in scenarios.items()
        if scenario in not_run
        for arm in settings["arms"]
    ]


def _images_columns(
    group: pd.DataFrame, settings: Mapping[str, Any], plan: PlanCounts | None, titles: Mapping[str, str]
) -> dict[str, Any]:
    """Columns that are equal for all runs of one (scenario, arm): size, images and classes."""
    first = group.iloc[0]
    for name in CONSTANT:
        if group[name].nunique(dropna=False) > 1:
            raise UserError(
                f"scenario {first['scenario']}, arm {first['arm']}: runs differ in {name}"
                f" ({', '.join(map(str, group[name].unique()))})."
                f" Delete results/runs/{first['scenario']}/{first['arm']} and run again."
            )
    row = {name: first[name] for name in ("size", "n_train", "n_train_requested", "n_test", "n_classes")}
    if plan is None:
        return row | {"train": first["train_requested"]}
    order = [*settings.get("train", ()), *plan.counts]
    counts = {source: plan.counts[source] for source in dict.fromkeys(order) if source in plan.counts}
    augment = settings.get("augment", first["augment"])
    return row | {"train": train_text(counts, augment, plan.copies, titles=titles)}


def _accuracies(group: pd.DataFrame) -> np.ndarray:
    """Accuracies in percent, one per run."""
    return 100 * group["n_correct"].to_numpy(dtype=float) / group["n_test"].to_numpy(dtype=float)


def _compared(comparisons: pd.DataFrame, scenario: str, arm: str) -> dict[str, str]:
    """Cells of the first declared comparison of an arm with another one in this scenario; empty if there is none."""
    within = (comparisons["scenario"] == scenario) & (comparisons["versus_scenario"] == scenario)
    found = comparisons[within & (comparisons["arm"] == arm)]
    return {name: found.iloc[0][cell] for name, cell in COMPARED.items()} if len(found) else {}


def _published(published: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """The published numbers, for scratch, kd, published_scratch and published_kd; empty for other arms."""
    place = {"scratch": 0, "kd": 1}.get(arm.removeprefix("published_"))
    if place is None:
        return {}
    row = {f"published_{where}": (published.get(where) or (nan, nan))[place] for where in ("site", "notebook")}
    return row | {"published_test": published.get("test") or ""}


def _formatted(table: pd.DataFrame) -> pd.DataFrame:
    """Fixed decimals as text: two for percent and points, none for counts."""
    places = dict.fromkeys(("n_train", "n_train_requested", "n_test", "n_classes", "n_seeds"), 0)
    points = ("mean_percent", "sd", "low", "high", "published_site", "published_notebook")
    return formatted(table, places | dict.fromkeys(points, 2))
