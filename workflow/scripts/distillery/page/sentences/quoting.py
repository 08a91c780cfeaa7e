"""Builds sentences from table cells; each sentence knows the tables that its values come from.

Cells (`TableRow`) and texts made from them (`Quoted`) carry the name of their `NamedTable`. `say` accepts only these,
and no digits in its own text. So every number in a sentence comes from a table that the page links beside it.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from distillery.analysis.table_files import run_rows
from distillery.display_names import display_name

# by name; every cell is text, as in its file
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Sentence:
    """A statement, and the tables that it quotes; `+` joins two.

    Attributes:
        text: the statement.
        tables: names of the tables quoted, in the order of their first quotation.
    """

    text: str
    tables: tuple[str, ...]

    def __add__(self, more: Sentence) -> Sentence:
        return Sentence(self.text + more.text, tuple(dict.fromkeys(self.tables + more.tables)))


@dataclass(frozen=True)
class Quoted:
    """A text for a sentence, and where it comes from.

    Attributes:
        text: the text.
        table: name of the table that it was read or counted from; blank if it comes from no table.
    """

    text: str
    table: str

    def __format__(self, spec: str) -> str:
        return format(self.text, spec)


@dataclass(frozen=True)
class TableRow:
    """A row to quote from: in the text of `say`, `{row[column]}` is a cell and `{row.arm}` the arm's display name."""

    table: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    @property
    def arm(self) -> str:
        """The arm's display name."""
        return display_name(self["arm"])


@dataclass(frozen=True)
class NamedTable:
    """A table, or some of its rows, with its name.

    Attributes:
        name: name of its file, without `.csv`.
        rows: the table; every cell is text.
    """

    name: str
    rows: pd.DataFrame

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> pd.Series:
        return self.rows[column]

    def numbers(self, column: str) -> pd.Series:
        """A column as floats; blank is NaN."""
        return numbers(self.rows[column])

    def where(self, chosen: pd.Series) -> NamedTable:
        """The rows for which a boolean series is true."""
        return NamedTable(self.name, self.rows[chosen])

    def of(self, row: TableRow) -> NamedTable:
        """The rows with the scenario and arm of a row, which may be of another table."""
        return self.where((self["scenario"] == row["scenario"]) & (self["arm"] == row["arm"]))

    def groups(self, *by: str | pd.Series) -> list[NamedTable]:
        """The rows grouped by one or several columns or series, in the order of each group's first row."""
        return [NamedTable(self.name, rows) for _, rows in self.rows.groupby(list(by), sort=False)]

    def row(self, label: object) -> TableRow:
        """The row with an index label."""
        return TableRow(self.name, self.rows.loc[label].to_dict())

    def first(self) -> TableRow:
        """The first row."""
        return self.row(self.rows.index[0])

    def last(self) -> TableRow:
        """The last row."""
        return self.row(self.rows.index[-1])

    def lowest(self, column: str) -> TableRow:
        """The row with the lowest number in a column, the first one if several have it."""
        return self.row(self.numbers(column).idxmin())

    def highest(self, column: str) -> TableRow:
        """The row with the highest number in a column, the first one if several have it."""
        return self.row(self.numbers(column).idxmax())

    def quote(self, value: object) -> Quoted:
        """A value computed from the rows, such as a count, a sum, or a list of names."""
        return Quoted(str(value), self.name)


def named_table(tables: Tables, name: str) -> NamedTable:
    """A table of the study with its name; the summary only with scenarios that are run."""
    return NamedTable(name, run_rows(tables[name]) if name == "summary" else tables[name])


def say(text: str, **values: TableRow | Quoted) -> Sentence:
    """Make a sentence, or a part of one, with the names of the tables that it quotes.

    Args:
        text: a format string; its literal parts must not have digits.
        values: rows and quoted texts, by the names in the format string.

    Raises:
        ValueError: a literal part has a digit, so a number that comes from no table.
        TypeError: a value is neither a `TableRow` nor a `Quoted`, so its table is unknown.
    """
    parts = list(string.Formatter().parse(text))
    if any(letter.isdigit() for literal, *_ in parts for letter in literal):
        raise ValueError(f"a number in the text of a sentence, which quotes no table: {text}")
    if wrong := [name for name, value in values.items() if not isinstance(value, TableRow | Quoted)]:
        raise TypeError(f"not read from a table: {', '.join(wrong)}")
    # a field is name, name[column] or name.attribute
    names = [field.partition("[")[0].partition(".")[0] for _, field, *_ in parts if field is not None]
    tables = dict.fromkeys(values[name].table for name in names)
    return Sentence(text.format(**values), tuple(name for name in tables if name))


def numbers(column: pd.Series) -> pd.Series:
    """Text as floats; blank is NaN."""
    return pd.to_numeric(column, errors="coerce")
