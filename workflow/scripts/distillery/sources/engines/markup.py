"""Parse untrusted HTML in time that is linear in its length.

It uses lxml's event parser: `html.parser` of the standard library takes quadratic time on a page of `<a `.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from lxml import etree

from distillery.sources.engines.results import text

MAX_MARKUP = 20_000  # characters that `plain_text` reads; titles and authors are shorter


class Tags:
    """The links of a page with their attributes, the number of each start tag, and the texts of scripts."""

    def __init__(self, markup: str):
        self.links: list[dict[str, str]] = []  # attributes of each `<a>`
        self.scripts: list[str] = []
        self._counts: Counter[str] = Counter()
        self._script: list[str] | None = None  # parts of the script that is being read
        _feed(self, markup)

    def count(self, tag: str) -> int:
        """Number of start tags of this name."""
        return self._counts[tag]

    # the parser calls these
    def start(self, tag: str, attributes: Any) -> None:
        """Handle a start tag."""
        self._counts[tag] += 1
        if tag == "a":
            self.links.append({str(name): value or "" for name, value in attributes.items()})
        elif tag == "script":
            self._script = []

    def end(self, tag: str) -> None:
        """Handle an end tag."""
        if tag == "script" and self._script is not None:
            self.scripts.append("".join(self._script))
            self._script = None

    def data(self, data: str) -> None:
        """Handle text."""
        if self._script is not None:
            self._script.append(data)

    def close(self) -> None:
        """Handle the end of the page."""
        self.end("script")


class _Text:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def data(self, data: str) -> None:
        self.parts.append(data)

    def close(self) -> None:
        pass


def plain_text(markup: Any) -> str:
    """The text of a piece of HTML in one line; only its first `MAX_MARKUP` characters are read."""
    reader = _Text()
    _feed(reader, text(markup)[:MAX_MARKUP])
    return " ".join("".join(reader.parts).split())


def _feed(target: Any, markup: str) -> None:
    if not (data := markup.encode("utf-8", "replace")).strip():
        return
    parser = etree.HTMLParser(target=target, encoding="utf-8", no_network=True)
    try:
        parser.feed(data)
        parser.close()
    except etree.LxmlError:  # such as for a page without content: keep what was read
        pass
