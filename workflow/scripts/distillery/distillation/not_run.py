"""Files of students and trials of a scenario that is not run: they hold the reason in place of results.

Imports no torch: such a job costs one start of Python.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from distillery.jobs import log
from distillery.storage.files import atomic_write
from distillery.storage.parquet import write_parquet
from distillery.training.run_files import predictions_schema, write_history


def write_run_not_run(
    reason: str,
    *,
    scenario: str,
    arm: str,
    seed: int,
    classes: int,
    weights: str | Path,
    history: str | Path,
    predictions: str | Path,
    metrics: str | Path,
) -> None:
    """Write the four files of a run that is not run.

    Args:
        reason: why, in words.
        classes: number of the study's classes.
        weights: an empty file.
        history, predictions: with their columns, but no rows.
        metrics: JSON with the keys scenario, arm, seed and not_run, the reason.
    """
    log.info("%s, %s, seed %d is not run: %s", scenario, arm, seed, reason)
    schema = predictions_schema(classes)
    columns: dict[str, Any] = {name: np.empty((0, classes)) if name == "logits" else [] for name in schema.names}
    write_history(history, [])
    write_parquet(predictions, columns, schema)
    atomic_write(weights, b"")
    content = {"scenario": scenario, "arm": arm, "seed": seed, "not_run": reason}
    atomic_write(metrics, json.dumps(content, indent=2) + "\n")


def write_trial_not_run(reason: str, trial: str | Path) -> None:
    """Write the file of a trial that is not run: JSON with the key not_run."""
    log.info("this trial is not run: %s", reason)
    atomic_write(trial, json.dumps({"not_run": reason}) + "\n")
