"""What the study's files say about a student: its metrics, its predictions, its scenario's runs, and its plan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distillery.analysis.table_files import read_numbers
from distillery.jobs import UserError
from distillery.splits.planned_images import known_classes
from distillery.storage.parquet import read_parquet

RUN = {"arm": str, "seed": int, "n_correct": float, "n_test": float}
MEASURED = (
    "scenario", "arm", "seed", "accuracy", "n_test", "n_train", "n_classes", "network", "parameters", "steps", "batch",
    "lr", "weight_decay", "augment", "by_source", "per_class",
)  # fmt: skip


@dataclass(frozen=True)
class StudentFacts:
    """What the study's files say about a student of K classes.

    Attributes:
        metrics: its `metrics.json`.
        accuracies: percent, one a seed, of all trainings of its scenario and arm.
        labels: int [K], the classes trained on, in the study's order.
        classes: their names.
        train: number of planned train images of each source, without augmented copies; 0 for other sources.
        copies: number of planned augmented copies.
        tested: number of test images of each of `classes`.
    """

    metrics: Mapping[str, Any]
    accuracies: np.ndarray
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    train: Counter[str]
    copies: int
    tested: Mapping[str, int]

    @property
    def scenario(self) -> str:
        return self.metrics["scenario"]

    @property
    def arm(self) -> str:
        return self.metrics["arm"]

    @property
    def seed(self) -> int:
        return self.metrics["seed"]


def read_facts(
    metrics: str | Path, predictions: str | Path, runs: str | Path, plan: str | Path, classes: Sequence[str]
) -> StudentFacts:
    """Read a student's facts.

    Args:
        metrics, predictions: of its run.
        runs: the table of all runs of its scenario.
        plan: its scenario's plan.
        classes: names of all classes of the study, in the order of the plan's labels.

    Raises:
        UserError: a file is damaged, or the files belong to different runs.
    """
    measured = _read_metrics(metrics)
    table = read_parquet(plan, ["source", "label", "split", "augmented"])
    train = table["split"] == "train"
    labels = tuple(sorted({*table["label"][train].tolist(), *known_classes(plan, classes)}))
    tested = read_parquet(predictions, ["label"])["label"]
    if len(labels) != measured["n_classes"] or len(tested) != measured["n_test"] or max(labels) >= len(classes):
        raise UserError(f"{metrics} and {plan} are not of one scenario. Delete {metrics} and run again.")
    names = tuple(classes[label] for label in labels)
    return StudentFacts(
        metrics=measured,
        accuracies=_accuracies(runs, measured["arm"]),
        labels=labels,
        classes=names,
        train=Counter(table["source"][train & ~table["augmented"]].tolist()),
        copies=int((train & table["augmented"]).sum()),
        tested={name: int((tested == label).sum()) for name, label in zip(names, labels, strict=True)},
    )


def _read_metrics(path: str | Path) -> dict[str, Any]:
    try:
        metrics = json.loads(Path(path).read_text(encoding="utf-8"))
        return {name: metrics[name] for name in MEASURED}
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a run's metrics ({error!r}). Delete it and run again.") from error


def _accuracies(path: str | Path, arm: str) -> np.ndarray:
    """Percent of the test images that each of an arm's trainings classifies correctly."""
    runs = read_numbers(path, RUN, "table", dtype={"arm": str}, keep_default_na=False)
    runs = runs[runs["arm"] == arm]
    if runs.empty:
        raise UserError(f"table {path} has no run of arm {arm}. Add {arm} to the scenario's `arms` and run again.")
    return (100 * runs["n_correct"] / runs["n_test"]).to_numpy()
