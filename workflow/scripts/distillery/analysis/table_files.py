"""Reads and writes tables as CSV files in UTF-8; writes are atomic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from distillery.jobs import UserError, one_line
from distillery.storage.files import atomic_write
from distillery.storage.texts import as_cell

# columns read as text although cells may look like numbers: names from a configuration, and p, such as `< 0.0001`
NAMES = (
    "scenario", "size", "arm", "class", "predicted", "source", "test", "comparison", "versus", "versus_scenario",
    "versus_arm", "ours_arm", "ours_test", "p", "p_holm",
)  # fmt: skip
# the same for counts.csv, whose column `test` is a number; in other tables `test` names a test set
NAMES_OF_COUNTS = ("source", "class")


def read_table(path: str | Path, names: Sequence[str] = NAMES) -> pd.DataFrame:
    """Read a table that `write_table` wrote; blank cells become NaN.

    Args:
        names: columns read as text, so that a scenario `300` or a class `None` keeps its name.
    """
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(names, str))


def read_text_table(path: str | Path) -> pd.DataFrame:
    """Read a table with every cell as text; missing cells are blank."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV in UTF-8, atomically. Missing cells are blank, formulas escaped (`as_cell`)."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    table = table.assign(**{name: table[name].map(_cell) for name in texts})
    atomic_write(path, table.to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    return as_cell(value) if isinstance(value, str) else value


def run_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of `summary.csv` whose scenario is run; before version 0.2 a summary had no others."""
    if "not_run" not in summary:
        return summary
    return summary[summary["not_run"].isna() | (summary["not_run"] == "")]  # missing, or blank where cells are text


def read_numbers(path: str | Path, columns: Mapping[str, type], what: str, **reading: Any) -> pd.DataFrame:
    """Read numeric columns of a file that a job wrote; a blank float is NaN.

    Args:
        path: the file.
        columns: type of each column to read, by name.
        what: kind of file, for the error message.
        reading: arguments of `pandas.read_csv`.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return pd.read_csv(path, **reading)[list(columns)].astype(columns)
    except (ValueError, KeyError, pd.errors.ParserError) as error:
        reason = one_line(error, 120)
        raise UserError(f"{what} {path} is damaged ({reason}). Delete it and run again.") from error
