"""Writes the files of students and trials whose scenario is not run: the reason in place of results.

Imports no torch, so that such a job takes no longer than a start of Python.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from distillery.jobs import log
from distillery.storage.files import atomic_write
from distillery.storage.parquet import write_parquet
from distillery.training.run_files import RunName, predictions_schema, write_history


def write_training_not_run(reason: str, *, weights: str | Path, history: str | Path, training: str | Path) -> None:
    """Write the three files of a training that is not run.

    Args:
        reason: why, in words.
        weights: an empty file.
        history: with its columns, but no rows.
        training: JSON with the keys scenario, arm, seed and not_run, the reason.
    """
    run = RunName.of(weights)
    log.info("%s is not run: %s", run, reason)
    write_history(history, [])
    atomic_write(weights, b"")
    atomic_write(training, json.dumps({**run._asdict(), "not_run": reason}, indent=2) + "\n")


def write_evaluation_not_run(reason: str, *, classes: int, predictions: str | Path, metrics: str | Path) -> None:
    """Write the two files of the evaluation of a student that is not run.

    Args:
        reason: why, in words.
        classes: number of the study's classes.
        predictions: with their columns, but no rows.
        metrics: JSON with the keys scenario, arm, seed and not_run, the reason.
    """
    schema = predictions_schema(classes)
    columns: dict[str, Any] = {name: np.empty((0, classes)) if name == "logits" else [] for name in schema.names}
    write_parquet(predictions, columns, schema)
    content = {**RunName.of(metrics)._asdict(), "not_run": reason}
    atomic_write(metrics, json.dumps(content, indent=2) + "\n")


def write_trial_not_run(reason: str, trial: str | Path) -> None:
    """Write the file of a trial that is not run: JSON with the key not_run."""
    log.info("this trial is not run: %s", reason)
    atomic_write(trial, json.dumps({"not_run": reason}) + "\n")
