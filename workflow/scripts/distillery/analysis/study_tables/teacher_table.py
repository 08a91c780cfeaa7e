"""The teacher's accuracy: on its own test set and on every source's test images, overall and by class."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from distillery.analysis.formatting import decimals, percent
from distillery.jobs import UserError

TEACHER_COLUMNS = ("test", "class", "n", "accuracy_percent", "note")


def teacher_table(metrics: str | Path, label: str = "") -> pd.DataFrame:
    """One row a (test set, class); the test set `own` is the teacher's, the class `all` is the whole set.

    Args:
        metrics: the teacher's `metrics.json`.
        label: column `note` of every row.

    Raises:
        UserError: the file lacks a key; names the file.
    """
    try:
        found = json.loads(Path(metrics).read_text(encoding="utf-8"))
        rows = []
        for test, part in {"own": found["own_test"], **found["sources"]}.items():
            rows.append((test, "all", str(part["n"]), decimals(percent(part["accuracy"])), label))
            for name, accuracy in part.get("per_class", {}).items():
                rows.append((test, name, "", decimals(percent(accuracy)), label))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{metrics} is not the teacher's metrics ({error!r}). Delete it and run again.") from error
    return pd.DataFrame(rows, columns=list(TEACHER_COLUMNS))
