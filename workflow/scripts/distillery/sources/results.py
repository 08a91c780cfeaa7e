"""What a page of search results says: its records, or the reason why there are none."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from distillery.jobs import UserError, one_line
from distillery.storage.records import as_utf8

MAX_URL = 4000  # characters; longer ones are data, not addresses
TEXTS = ("page", "thumbnail", "title", "license", "creator")  # what a record says of its image


class SourceBlocked(UserError):
    """A search answers, but not with results: a consent page, a captcha, a page for browsers only."""


class MarkupChanged(UserError):
    """A page full of images of which none could be read: the search has changed its markup."""


@dataclass(frozen=True)
class SearchResult:
    """One image on a page of results; width and height in pixels as the search declares them, 0 if it does not."""

    url: str
    page: str = ""
    thumbnail: str = ""
    title: str = ""
    width: int = 0
    height: int = 0
    license: str = ""  # as the search states it
    creator: str = ""


def is_address(url: object) -> bool:
    """Whether this is an absolute http(s) URL with a host, without spaces, halves of characters or markup."""
    if not isinstance(url, str) or not 10 <= len(url) <= MAX_URL:
        return False
    if any(c <= " " or c in '"<>\\\x7f' or "\ud800" <= c <= "\udfff" for c in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def unique(records: list[SearchResult]) -> list[SearchResult]:
    """The records with an address, the first of each address, in order; their texts as files can hold them."""
    first: dict[str, SearchResult] = {}
    for record in records:
        if is_address(record.url):
            first.setdefault(record.url, record)
    return [replace(record, **{name: as_utf8(getattr(record, name)) for name in TEXTS}) for record in first.values()]


class Tags(HTMLParser):
    """Start tags with their attributes, and the text of scripts, of any text whatever."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        try:
            self.feed(text)
            self.close()
        except (AssertionError, ValueError):  # html.parser gives up on some malformed declarations; keep what was read
            pass

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        if tag == "script":
            self._in_script = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


# --- answers that are JSON --------------------------------------------------------------------------------------------


def read_answer(page: bytes, who: str, *path: str, empty: str = "") -> list[Any]:
    """The list at `path` in an answer that is JSON.

    Args:
        page: the answer's body, whatever it holds.
        who: gave it, for the message.
        path: keys down to the list.
        empty: a key of an answer that has no results, and so no list.

    Raises:
        MarkupChanged: there is no such list; with what the answer says of an error.
    """
    try:
        answer = found = json.loads(page)
        for key in path:
            if empty and key not in found and empty in answer:
                return []
            found = found[key]
        if isinstance(found, list):
            return found
        reason = f"no list {'.'.join(path)}"
    except (ValueError, RecursionError):
        reason = "no JSON"
    except (KeyError, TypeError, IndexError):
        said = answer.get("error", answer.get("detail", "")) if isinstance(answer, dict) else ""
        said = text(said.get("info")) if isinstance(said, dict) else text(said)
        reason = one_line(said, 200) or f"no list {'.'.join(path)}"
    raise MarkupChanged(f"{who} answered in a form this version cannot read: {reason}. Try again later, or report it.")


def text(value: Any) -> str:
    """A value if it is text, else nothing."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """A value if it is a whole number from 0 on, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def plain_text(markup: Any) -> str:
    """The text of a piece of HTML, in one line."""
    reader = _Text()
    try:
        reader.feed(text(markup))
        reader.close()
    except (AssertionError, ValueError):  # see Tags
        pass
    return " ".join("".join(reader.parts).split())
