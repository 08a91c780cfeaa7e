"""Read the statements of a page from its file, and check their numbers against the tables that they name."""

import re
from html.parser import HTMLParser

import pandas as pd

NUMBER = re.compile(r"(?<![\w.,-])-?\d(?:[\d,]*\d)?(?:\.\d+)?(?!\w)")
CONVENTIONS = {"0.05"}  # numbers that are in no table


def numbers_in(text: str) -> set[str]:
    """The numbers in a text, as written; digits inside names do not count."""
    return set(NUMBER.findall(text.replace("−", "-")))


def mismatches(text: str, tables: dict[str, pd.DataFrame]) -> list[str]:
    """The numbers of a statement that are in none of its tables, and those of its tables with none of its numbers.

    Args:
        text: the statement.
        tables: the tables that it names, by name; every cell is text.
    """
    by_table = {name: _numbers_of(table) for name, table in tables.items()}
    stated = numbers_in(text) - CONVENTIONS
    unknown = [number for number in sorted(stated) if not any(number in known for known in by_table.values())]
    if stated:
        return unknown + [name for name, known in by_table.items() if not stated & known]
    return [name for name, table in tables.items() if not any(_stands_in(text, cell) for cell in _cells(table))]


def _stands_in(text: str, cell: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(cell)}(?!\w)", text))


def _cells(table: pd.DataFrame) -> set[str]:
    return {cell for cell in table.to_numpy().ravel() if cell}


def _numbers_of(table: pd.DataFrame) -> set[str]:
    """Numbers that a statement may take from a table: cells, also rounded to one decimal, row counts, class sums."""
    known = set().union(*map(numbers_in, _cells(table))) | {str(count) for count in range(1, len(table) + 1)}
    decimals = {number for number in known if "." in number and "," not in number}
    known |= {f"{float(number):.1f}" for number in decimals}
    if {"source", "class"} <= set(table):
        sums = table.drop(columns="class").set_index("source").apply(pd.to_numeric, errors="coerce")
        known |= {f"{number:g}" for number in sums.groupby(level=0).sum().to_numpy().ravel()}
    return known


class Statements(HTMLParser):
    """The page's statements.

    Attributes:
        found: the text of each statement and the addresses of its links.
    """

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self._listed = self._inside = self._link = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        kind = dict(attributes)
        self._listed |= kind.get("class") == "statements"
        if (tag == "p" and kind.get("class") == "answer") or (tag == "li" and self._listed):
            self._inside = True
            self.found.append(("", []))
        elif tag == "a" and self._inside:
            self._link = True
            self.found[-1][1].append(kind["href"])

    def handle_endtag(self, tag):
        if tag in ("p", "li"):
            self._inside = False
        self._listed &= tag != "ul"
        self._link &= tag != "a"

    def handle_data(self, data):
        if self._inside and not self._link:
            text, links = self.found[-1]
            self.found[-1] = text + data, links
