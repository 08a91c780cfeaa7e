"""Define the results of an image search, and read them from JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from distillery.jobs import one_line
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.texts import clean_address, clean_text
from distillery.storage.urls import is_http_url, quote_url

TEXT_LENGTH = 500  # characters of a title, license or creator
MAX_SIDE = 1_000_000  # pixels; a search that states more is wrong
TEXTS = ("page", "thumbnail", "title", "license", "creator")  # fields of a result that a record has too


class SourceBlocked(Refusal):
    """A search refuses every query: with a consent page, a captcha, a page for browsers only, or a used-up quota."""


class MarkupChanged(Refusal):
    """A page full of images, none of which could be read: the search has changed its markup."""

    def __init__(self, message: str, reason: str = "unreadable page"):
        super().__init__(message, reason)


class UnrelatedResults(Refusal):
    """A page of results that have nothing to do with the query."""

    def __init__(self, message: str):
        super().__init__(message, "unrelated results")


@dataclass(frozen=True)
class SearchResult:
    """One image on a page of results."""

    url: str
    page: str = ""  # URL of the web page that shows it
    thumbnail: str = ""
    title: str = ""
    width: int = 0  # pixels, as the search states; 0 if it does not
    height: int = 0
    license: str = ""  # as the search states it
    creator: str = ""


def unique(results: list[SearchResult]) -> list[SearchResult]:
    """The first result of each URL, in order, with cleaned texts (`distillery.storage.texts`); without invalid URLs."""
    first: dict[str, SearchResult] = {}
    for result in results:
        if is_http_url(url := quote_url(result.url)):
            first.setdefault(url, result)
    return [_clean(result, url) for url, result in first.items()]


def _clean(result: SearchResult, url: str) -> SearchResult:
    return SearchResult(
        url,
        clean_address(result.page),
        clean_address(result.thumbnail),
        clean_text(result.title, TEXT_LENGTH),
        width=result.width if 0 < result.width <= MAX_SIDE else 0,
        height=result.height if 0 < result.height <= MAX_SIDE else 0,
        license=clean_text(result.license, TEXT_LENGTH),
        creator=clean_text(result.creator, TEXT_LENGTH),
    )


def read_list(page: bytes, engine: str, *path: str, empty: str = "") -> list[Any]:
    """The list at `path` in a JSON response.

    Args:
        page: the response's body, any bytes.
        engine: name of the search, for the message.
        path: keys that lead to the list.
        empty: a key that marks a response without results, which has no list.

    Raises:
        MarkupChanged: there is no such list; the message quotes the error that the response states.
    """
    try:
        response = found = json.loads(page)
        for key in path:
            if empty and key not in found and empty in response:
                return []
            found = found[key]
        if isinstance(found, list):
            return found
        reason = f"no list {'.'.join(path)}"
    except (ValueError, RecursionError):
        reason = "not JSON"
    except (KeyError, TypeError, IndexError):
        error = response.get("error", response.get("detail", "")) if isinstance(response, dict) else ""
        error = text(error.get("info")) if isinstance(error, dict) else text(error)
        reason = one_line(error, 200) or f"no list {'.'.join(path)}"
    raise MarkupChanged(
        f"{engine} answered in a form this version cannot read: {reason}. Try again later, or report it."
    )


def text(value: Any) -> str:
    """The value if it is a string, else an empty string."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """The value if it is a non-negative integer, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
