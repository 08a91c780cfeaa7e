"""The runs table, one row per run: the table of one scenario, and those of all scenarios together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from distillery.analysis.formatting import decimals, percent
from distillery.analysis.table_files import read_table
from distillery.display_names import NO_TITLES, train_text
from distillery.jobs import UserError
from distillery.splits.refused_sources import RETRY

NONE_NOT_RUN: Mapping[str, str] = MappingProxyType({})
RUN_COLUMNS = (
    "scenario", "size", "arm", "seed", "train_requested", "n_train_requested", "augment", "network", "parameters",
    "steps", "batch", "lr", "weight_decay", "n_train", "n_train_unique", "n_classes", "n_test", "n_correct",
    "accuracy_percent", "val_accuracy_percent",
)  # fmt: skip
# copied unchanged from a run's metrics.json
METRICS = (
    "scenario", "arm", "seed", "augment", "network", "parameters", "steps", "batch", "lr", "weight_decay", "n_train",
    "n_train_unique", "n_classes", "n_test",
)  # fmt: skip


def scenario_table(
    metrics: Iterable[str | Path], settings: Mapping[str, Any], titles: Mapping[str, str] = NO_TITLES
) -> pd.DataFrame:
    """One row per run of one scenario, arms in the configuration's order, seeds ascending; no rows if it is not run.

    Args:
        metrics: the `metrics.json` of its runs, in any order.
        settings: the scenario as configured.
        titles: title of each source, from `display_names.source_titles`; names by default.

    Raises:
        UserError: a file lacks a key.
    """
    found = [(path, _read_metrics(path)) for path in metrics]
    rows = [_run_row(path, metrics, settings, titles) for path, metrics in found if "not_run" not in metrics]
    runs = sorted(rows, key=lambda run: (run["arm"], run["seed"]))
    order = list(settings.get("arms") or ())
    order += [arm for arm in dict.fromkeys(run["arm"] for run in runs) if arm not in order]
    runs.sort(key=lambda run: order.index(run["arm"]))
    table = pd.DataFrame(runs)
    extra = [name for name in table.columns if name not in RUN_COLUMNS]
    return table.reindex(columns=[*RUN_COLUMNS, *extra])


def _read_metrics(path: str | Path) -> dict[str, Any]:
    try:
        metrics: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, error) from error
    return metrics


def _damaged(path: str | Path, error: Exception) -> UserError:
    return UserError(f"{path} is not a run's metrics ({error!r}). Delete it and run again.")


def _run_row(
    path: str | Path, metrics: Mapping[str, Any], settings: Mapping[str, Any], titles: Mapping[str, str]
) -> dict[str, Any]:
    try:
        row = {name: metrics[name] for name in METRICS}
        # an integer, so that equal results stay equal however accuracies are rounded
        row["n_correct"] = round(metrics["accuracy"] * metrics["n_test"])
        row["accuracy_percent"] = decimals(100 * metrics["accuracy"])
        row["val_accuracy_percent"] = decimals(percent(metrics.get("val_accuracy")))
        for source, part in metrics["by_source"].items():
            row[f"accuracy_percent_on_{source}"] = decimals(percent(part["accuracy"]))
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error
    augment = settings.get("augment", row["augment"])
    row |= {"size": settings.get("size", ""), "train_requested": train_text(settings["train"], augment, titles=titles)}
    row["n_train_requested"] = sum(settings["train"].values()) * (1 if augment == "none" else 2)
    return row


def read_run_tables(
    paths: Iterable[str | Path], scenarios: Sequence[str], not_run: Mapping[str, str] = NONE_NOT_RUN
) -> pd.DataFrame:
    """The concatenated tables of all scenarios, in the configuration's order.

    Args:
        paths: the `.csv` of each scenario, from `scenario_table`.
        scenarios: all names, in the configuration's order.
        not_run: reason why a scenario is not run, by scenario.

    Raises:
        UserError: no table has a run.
    """
    tables = [read_table(path) for path in paths]
    tables = [table for table in tables if len(table)]
    if not tables and not_run:
        reasons = ", ".join(dict.fromkeys(not_run.values()))
        raise UserError(f"no scenario is run: {reasons}. {RETRY}, or add a scenario whose sources did not refuse.")
    if not tables:
        raise UserError("no scenario has a run. Give a scenario at least one arm and run again.")
    runs = pd.concat(tables, ignore_index=True)
    place = {name: index for index, name in enumerate(scenarios)}
    return runs.sort_values("scenario", key=lambda names: names.map(place), kind="stable", ignore_index=True)


def with_fixed_decimals(runs: pd.DataFrame) -> pd.DataFrame:
    """The table with accuracies as text with two decimals, after it was read as numbers."""
    runs = runs.copy()
    for name in runs.columns:
        if name.startswith(("accuracy_percent", "val_accuracy_percent")):
            runs[name] = [decimals(value) for value in runs[name]]
    return runs
