"""Retrieve images from a list of URLs: the user's table of classes and URLs, with license and creator where known."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from distillery.jobs import UserError
from distillery.sources.candidate_lists import retrieve_in_order
from distillery.sources.network.fetching import Fetcher, Limits
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.store import Store
from distillery.storage.urls import is_http_url, quote_url

REQUIRED, OPTIONAL = ("class", "url"), ("page", "title", "license", "creator")
QUOTES = "put an address or text with a comma into quotes"
UNCLOSED = re.compile(r"\n.*https?://", re.DOTALL)  # in a value that holds further lines: its quote was not closed
DELIMITERS = (",", ";", "\t")  # which one a spreadsheet writes depends on its language


def fetch_addresses(
    source: Mapping[str, Any], name: str, label: str, store: Store, loopback: int | None = None
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Fetch the images of one class, in the order of the list, until there are enough.

    Args:
        source: `path` of the list, `per_class` (0 for all), and how to fetch (see `Limits`).
        name: of the source.
        label: the class.
        store: images retrieved before; new images are added at once.
        loopback: see `connect`.

    Yields:
        Every record tried, with the image's bytes, or None if the record has a failure.

    Raises:
        UserError: the list cannot be read, or has no URL of the class.
        Refusal: no URL gave an image.
    """
    records = read_addresses(source["path"], name, label)
    requested = source["per_class"] or len(records)
    where, advice = f"source {name}, class {label}", f"the addresses in {source['path']}"
    yield from retrieve_in_order(records, requested, store, Fetcher(Limits.of(source), loopback), where, advice)


def read_addresses(path: str | Path, name: str, label: str) -> list[ImageRecord]:
    """The candidates that a list has for one class, each URL once.

    A `.csv` has the columns class and url, and optionally page, title, license and creator. Any other file has a class,
    a space and a URL on each line; lines that begin with # are comments. Spaces in a URL are quoted. Errors in the
    lines of other classes are not reported here, but when those classes are read.

    Raises:
        UserError: a line of the class is wrong (the message gives its number), or the class has no URL.
    """
    others: Counter[str] = Counter()
    rows = _rows(path, f"source {name}", label, others)
    found: dict[str, dict[str, str]] = {}
    errors: list[str] = []
    for line, row in rows:
        if error := row.error or _error_in(row):
            errors.append(f"line {line}: {error}")
        else:
            texts = row.texts()
            found.setdefault(texts["url"], texts)
    if errors:
        more = f" (and {len(errors) - 1} more such lines)" if len(errors) > 1 else ""
        raise UserError(f"source {name}: {path}, {errors[0]}{more}.")
    if not found:
        raise UserError(f"source {name}: {none_of(path, [label], others)}, or leave the class out of its `classes`.")
    return [_candidate(name, label, rank, texts) for rank, texts in enumerate(found.values())]


def count_addresses(path: str | Path, where: str) -> Counter[str]:
    """How many lines a list has of each class; the lines are not checked.

    Raises:
        UserError: the list cannot be read. The message begins with `where`.
    """
    counts: Counter[str] = Counter()
    _rows(path, where, "", counts)
    return counts


def none_of(path: str | Path, labels: Sequence[str], others: Iterable[str]) -> str:
    """A message: the list has no URL of these classes, but of `others`. It ends with "Add some", without a period."""
    named = ", ".join(sorted(others))[:300] or "nothing"
    form = "" if _is_table(path) else " (a line is a class, a space and a URL)"
    return f"{path} has no address of class {', '.join(labels)}, but of {named}{form}. Add some"


def _rows(path: str | Path, where: str, label: str, others: Counter[str]) -> list[tuple[int, Row]]:
    """The rows of a class with their line numbers; adds the number of lines of each other class to `others`."""
    try:
        with open(path, "rb") as file:
            begin = file.read(4)
        if begin.startswith(b"PK"):
            raise UserError(f"{where}: {path} is a workbook or an archive. Export it as .csv (UTF-8).")
        utf16 = begin[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # as spreadsheets write "Unicode text"
        with open(path, newline="", encoding="utf-16" if utf16 else "utf-8-sig") as file:
            return list((_csv_rows if _is_table(path) else _text_rows)(file, path, label, others))
    except (OSError, UnicodeError, csv.Error) as error:
        raise UserError(f"{where}: {path} cannot be read ({error}). Save it as a UTF-8 .csv or .txt.") from error


def _is_table(path: str | Path) -> bool:
    return Path(path).suffix.lower() == ".csv"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a list: the columns of the list, this line's values, and the error if their number is wrong."""

    columns: Sequence[str]
    values: Sequence[str]
    error: str = ""

    def texts(self) -> dict[str, str]:
        """The values by column, with the URL quoted."""
        texts = dict(zip(self.columns, self.values, strict=False))
        return texts | {"url": quote_url(texts["url"])}


def _error_in(row: Row) -> str:
    """What is wrong with a line that has as many values as columns; empty if nothing is."""
    url = row.texts()["url"]
    if not is_http_url(url):
        return f"{url[:80]!r} is not an http address"
    after = row.columns.index("url") + 1
    column, value = (row.columns[after], row.values[after]) if after < len(row.columns) else ("", "")
    cut = column == "page" or ("=" in value and not any(map(str.isspace, value)))
    if value and cut and not is_http_url(quote_url(value)):
        return f"{value[:80]!r} after the address is part of it or a wrong {column}; {QUOTES}"
    return ""


def _candidate(source: str, label: str, rank: int, texts: Mapping[str, str]) -> ImageRecord:
    page, title, license, creator = (texts.get(column, "") for column in OPTIONAL)
    url = texts["url"]
    return ImageRecord(
        source, label, "urls", url, rank, url=url, page=page, title=title, license=license, creator=creator
    )


def _csv_rows(file: TextIO, path: str | Path, label: str, others: Counter[str]) -> Iterator[tuple[int, Row]]:
    """The rows that are, or may be, of a class, with their line numbers; counts the lines of other classes."""
    head = file.readline()
    delimiter = next((mark for mark in DELIMITERS if not _missing(_columns(head, mark))), ",")
    columns = _columns(head, delimiter)
    if missing := _missing(columns):
        found = f", but {', '.join(columns)[:200]}" if any(columns) else ""
        raise UserError(
            f"{path}: no column {', '.join(missing)}{found}; its first line has to name {', '.join(REQUIRED)}"
        )
    reader, place = csv.reader(file, delimiter=delimiter), columns.index("class")
    line = 2
    for values in reader:
        if reader.line_num + 1 > line and any(UNCLOSED.search(value) for value in values):
            raise UserError(
                f"{path}, line {line}: a quote is opened and not closed, and takes the lines below with it."
            )
        found = values[place].strip() if place < len(values) else ""
        # a row with too many values may have its class anywhere
        if found == label or (len(values) > len(columns) and label in map(str.strip, values)):
            row = _row(columns, [value.strip() for value in values], delimiter)
            if row.error or row.values[place] == label:
                yield line, row
        elif found:
            others[found] += 1
        line = reader.line_num + 2  # where the next row begins: a value in quotes may have several lines


def _row(columns: Sequence[str], values: list[str], delimiter: str) -> Row:
    extra = len(values) - len(columns)
    if extra > 0 and columns[-1] == "url" and values[len(columns) - 1].lower().startswith(("http://", "https://")):
        # a URL in the last column needs no quotes around its commas: the rest of the line belongs to it
        return Row(columns, [*values[: len(columns) - 1], delimiter.join(values[len(columns) - 1 :])])
    if extra > 0 and any(values[len(columns) :]):
        return Row(columns, values, f"{len(values)} values for {len(columns)} columns; {QUOTES}")
    return Row(columns, values + [""] * -extra)


def _columns(head: str, delimiter: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([head], delimiter=delimiter), [])]


def _missing(columns: Sequence[str]) -> list[str]:
    return [column for column in REQUIRED if column not in columns]


def _text_rows(file: TextIO, path: str | Path, label: str, others: Counter[str]) -> Iterator[tuple[int, Row]]:
    """As `_csv_rows`."""
    for number, line in enumerate(file, 1):
        found, *url = line.split(None, 1)[:2] or ("#",)
        if found == label:
            yield number, Row(REQUIRED, [label, *url], "" if url else "give a class, a space and a URL")
        elif not found.startswith("#"):
            others[found] += 1
