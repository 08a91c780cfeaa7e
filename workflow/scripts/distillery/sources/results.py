"""What a page of search results says: its records, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urlsplit

from distillery.jobs import StudyError

MAX_URL = 4000  # characters; longer ones are data, not addresses


class SourceBlocked(StudyError):
    """A search answers, but not with results: a consent page, a captcha, a page for browsers only."""


class MarkupChanged(StudyError):
    """A page full of pictures of which none could be read: the search has changed its markup."""


@dataclass(frozen=True)
class Record:
    """One picture on a page of results; width and height in pixels as the search declares them, 0 if it does not."""

    url: str
    page: str = ""
    thumbnail: str = ""
    title: str = ""
    width: int = 0
    height: int = 0


def is_address(url: object) -> bool:
    """Whether this is an absolute http(s) URL with a host, without spaces or what else would belong to a markup."""
    if not isinstance(url, str) or not 10 <= len(url) <= MAX_URL:
        return False
    if any(c <= " " or c in '"<>\\\x7f' for c in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def unique(records: list[Record]) -> list[Record]:
    """The records with an address, the first of each address, in order."""
    first: dict[str, Record] = {}
    for record in records:
        if is_address(record.url):
            first.setdefault(record.url, record)
    return list(first.values())


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
