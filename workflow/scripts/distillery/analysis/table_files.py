"""Tables as files: CSV in UTF-8, written whole or not at all, and read back as they were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from distillery.jobs import UserError, one_line
from distillery.storage.files import atomic_write
from distillery.storage.texts import as_cell

# columns of text that may look like numbers: names from a configuration, or made from them; p, which may be `< 0.0001`
NAMES = (
    "scenario", "size", "arm", "class", "predicted", "source", "test", "comparison", "versus", "versus_scenario",
    "versus_arm", "ours_arm", "ours_test", "p", "p_holm",
)  # fmt: skip
# of counts.csv: its column `test` is a number, while in other tables `test` names a test set
NAMES_OF_COUNTS = ("source", "class")


def read_table(path: str | Path, names: Sequence[str] = NAMES) -> pd.DataFrame:
    """A table that `write_table` wrote; a blank cell is missing.

    Args:
        names: columns read as text, so that a scenario `300` or a class `None` keeps its name.
    """
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(names, str))


def read_text_table(path: str | Path) -> pd.DataFrame:
    """A table as its file has it: every cell is text, a missing one is blank."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV in UTF-8, whole or not at all; what is missing is blank, and no text is a formula."""
    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    table = table.assign(**{name: table[name].map(_cell) for name in texts})
    atomic_write(path, table.to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    return as_cell(value) if isinstance(value, str) else value


def run_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of `summary.csv` whose scenario is run; a summary from before version 0.2 has no others."""
    if "not_run" not in summary:
        return summary
    return summary[summary["not_run"].isna() | (summary["not_run"] == "")]  # missing, or blank where cells are text


def read_numbers(path: str | Path, columns: Mapping[str, type], what: str, **reading: Any) -> pd.DataFrame:
    """Some columns of a file that a job wrote, as the given types; a blank float is NaN.

    Args:
        what: what the file is, for the message.
        reading: arguments for pandas' reader.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return pd.read_csv(path, **reading)[list(columns)].astype(columns)
    except (ValueError, KeyError, pd.errors.ParserError) as error:
        reason = one_line(error, 120)
        raise UserError(f"{what} {path} is damaged ({reason}). Delete it and run again.") from error
