"""Images at URLs that the user lists: a table of classes and URLs, with license and creator where known."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from distillery.jobs import UserError, log, progress
from distillery.parallel import DaemonThreads, ordered
from distillery.sources.failures import NO_ANSWER
from distillery.sources.fetching import Fetcher, Limits
from distillery.sources.retrieval import retrieve
from distillery.sources.urls import is_http_url
from distillery.storage.records import ImageRecord
from distillery.storage.refusals import Refusal
from distillery.storage.store import Store

THREADS = 8  # each host has fewer connections at a time, see Limits
REQUIRED, OPTIONAL = ("class", "url"), ("page", "title", "license", "creator")


def fetch_addresses(
    source: Mapping[str, Any], name: str, label: str, store: Store, loopback: int | None = None
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Fetch the images of one class, in the order of the list, until there are enough.

    Args:
        source: `path` of the list, `per_class` (0 for all), and how to fetch (see `Limits`).
        name: of the source.
        label: the class.
        store: what was retrieved before; new images are added at once.
        loopback: see `GuardedAdapter`.

    Yields:
        Every record tried, with the image's bytes, or None if the record has a failure.

    Raises:
        UserError: the list cannot be read, or has no URL of the class.
        Refusal: no URL gave an image.
    """
    records = read_addresses(source["path"], name, label)
    requested = source["per_class"] or len(records)
    fetch = partial(retrieve, store=store, fetcher=Fetcher(Limits.of(source), loopback))
    different: set[str] = set()  # sha256
    failures: set[str] = set()
    with DaemonThreads(THREADS) as threads:
        entries = ordered(threads, fetch, records, ahead=2 * THREADS)
        for record, data in progress(entries, len(records), f"{name}, {label}", "images"):
            yield record, data
            different |= {record.sha256} if data else set()
            failures |= {record.failure} if record.failure else set()
            if len(different) >= requested:
                break
    if not different:
        raise Refusal(
            f"source {name}, class {label}: none of {len(records)} addresses gave an image. Check the connection to"
            f" the internet and the addresses in {source['path']}.",
            "unreachable" if failures <= NO_ANSWER else "nothing found",
        )
    if len(different) < requested:
        log.warning("source %s, class %s: %d images of %d requested", name, label, len(different), requested)


def read_addresses(path: str | Path, name: str, label: str) -> list[ImageRecord]:
    """The candidates that a list has for one class, each URL once.

    A `.csv` has the columns class and url, and optionally page, title, license and creator. Any other file has a class,
    a space and a URL on each line; lines that begin with # are comments.

    Raises:
        UserError: a line is wrong (the message names it), or the class has no URL.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(_csv_rows(file, path) if Path(path).suffix.lower() == ".csv" else _text_rows(file, path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"source {name}: {path} cannot be read ({error}). Give `path` a UTF-8 .csv or .txt.") from error
    for line, row in rows:
        if not is_http_url(row["url"]):
            raise UserError(f"source {name}: {path}, line {line}: {row['url'][:80]!r} is no http address.")
    mine: dict[str, dict[str, str]] = {}
    for _, row in rows:
        if row["class"] == label:
            mine.setdefault(row["url"], row)
    if not mine:
        others = ", ".join(sorted({row["class"] for _, row in rows})) or "nothing"
        raise UserError(
            f"source {name}: {path} has no address of class {label}, but of {others}. Add some, or leave the class out"
            " of the source's `classes`."
        )
    return [_candidate(name, label, rank, row) for rank, row in enumerate(mine.values())]


def _candidate(source: str, label: str, rank: int, row: Mapping[str, str]) -> ImageRecord:
    page, title, license, creator = (row.get(column) or "" for column in OPTIONAL)
    url = row["url"]
    return ImageRecord(
        source, label, "urls", url, rank, url=url, page=page, title=title, license=license, creator=creator
    )


def _csv_rows(file: Any, path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file)
    if missing := [column for column in REQUIRED if column not in (reader.fieldnames or ())]:
        raise UserError(f"{path}: no column {', '.join(missing)}; its first line has to name {', '.join(REQUIRED)}")
    for row in reader:
        texts = {key: value.strip() for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
        if any(texts.values()):
            yield reader.line_num, dict.fromkeys(REQUIRED, "") | texts


def _text_rows(file: Any, path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(file, 1):
        label, _, url = line.strip().partition(" ")
        if not label or label.startswith("#"):
            continue
        if not url.strip():
            raise UserError(f"{path}, line {number}: give a class, a space and a URL")
        yield number, {"class": label, "url": url.strip()}
