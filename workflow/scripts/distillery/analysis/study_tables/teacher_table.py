"""The teacher's accuracy: on its own test set and on every source's test images, overall and by class."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from distillery.analysis.formatting import decimals, percent
from distillery.jobs import UserError

TEACHER_COLUMNS = ("teacher", "test", "class", "n", "accuracy_percent", "note")


def teacher_table(metrics: str | Path, label: str = "") -> pd.DataFrame:
    """One row per (teacher, test set, class).

    Teacher `all` is the one that students are distilled from; if it is an ensemble, its members have rows too. Test set
    `own` is the teacher's own test set; class `all` is the whole test set.

    Args:
        metrics: the teacher's `metrics.json`.
        label: column `note` of every row.

    Raises:
        UserError: the file lacks a key.
    """
    try:
        found = json.loads(Path(metrics).read_text(encoding="utf-8"))
        rows = []
        for teacher, tests in {"all": found, **found.get("members", {})}.items():
            own = {"own": tests["own_test"]} if tests["own_test"] else {}
            for test, part in {**own, **tests["sources"]}.items():
                rows.append((teacher, test, "all", str(part["n"]), decimals(percent(part["accuracy"])), label))
                for name, accuracy in part.get("per_class", {}).items():
                    rows.append((teacher, test, name, "", decimals(percent(accuracy)), label))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{metrics} is not the teacher's metrics ({error!r}). Delete it and run again.") from error
    return pd.DataFrame(rows, columns=list(TEACHER_COLUMNS))
