"""The image records in a page of Google's image search, in every form in which one was seen.

A record may stand anywhere in the text: in an inline script, in the body of a later request, in either case as it is or
escaped once or twice; in attributes, in links. So the text is searched, not the markup.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from distillery.sources.engines.results import SearchResult, number, text
from distillery.storage.urls import is_http_url, quote_url

OWN_HOSTS = ("google.com", "gstatic.com", "googleusercontent.com", "ggpht.com", "googleapis.com")
LEVELS = 4  # of escaping: none, once, twice, and twice in a HAR that was cut short
# an escaped quote before what a record has
ESCAPED = re.compile(r"""\\(?:"|x22|u0022)(?:https?:|ou|ischj)|data-ou=\\|imgurl\\|&(?:quot|#34);https?:""")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "", "f": ""}

# an image: ["URL",height,width], where the URL may contain \u003d and \/
# possessive (*+): a search that fails must not try again from every character
IMAGE = re.compile(r'\["(https?:(?:[^"\\]|\\.){5,4000}+)",\s*(\d{1,5}),\s*(\d{1,5})\]')
# its thumbnail precedes it in the same form, and the id of its document that
DOCUMENT = re.compile(r'"([\w-]{4,60})",\s*$')
# its page and title follow: "2003":[null,"ref","page","title"
ABOUT = re.compile(r'"2003":\[null,"(?:[^"\\]|\\.)*+","((?:[^"\\]|\\.)*+)","((?:[^"\\]|\\.)*+)"')
NEAR = 4000  # characters between an image and its page and title, at most
META = re.compile(r'\{(?:[^{}<>"]|"(?!ou":))*+"ou":[^{}<>]*+\}')
TAG = re.compile(r"<\w[^<>]*+>")
ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]{1,40})=(?:"([^"]*)"|'([^']*)')""")
ISCHJ = re.compile(r'"ischj"\s*:\s*(?=\{)')
MOST_FAILURES = 20  # a damaged reply after another is no page of Google's
LINK = re.compile(r"/imgres\?([^\"<>\n\\]{10,8000})")
OPENED = re.compile(r"<img\b(?=[^<>]*\bclass=[\"'][^\"'<>]*\biPVvYb\b)[^<>]*+>")
CARD = re.compile(r"<[a-z]+\b(?=[^<>]*\sdata-docid=)(?=[^<>]*\sdata-lpage=)[^<>]*>")


@dataclass(frozen=True)
class PageRecord:
    """An image that a page tells of, before those of Google's own and repeated ones are left out.

    Attributes:
        form: where it stood: script, meta, data-ou, ischj, link, opened panel.
        document: Google's id of it; empty if the form has none.
        result: what the record says.
    """

    form: str
    document: str
    result: SearchResult

    @property
    def problem(self) -> str:
        """Why it is no result; empty if it is one."""
        if not is_http_url(quote_url(self.result.url)):
            return "no http address"
        return "Google's own host" if is_own(self.result.url) else ""


def page_records(markup: str) -> list[PageRecord]:
    """Every record in a text, in order of its level of escaping, then of its form; each URL and document once."""
    found: dict[str, PageRecord] = {}
    documents: set[str] = set()
    for level in _levels(markup):
        for read in FORMS:
            for record in read(level):
                if record.result.url in found or record.document in documents:
                    continue
                found[record.result.url] = record
                documents |= {record.document} - {""}
    return list(found.values())


def count_cards(markup: str) -> int:
    """Number of result cards; a card has the address of the page, not that of the image."""
    return len(CARD.findall(markup))


def _levels(markup: str) -> Iterator[str]:
    """A text as it is and, while it holds escaped records, with one level of escapes removed."""
    for _ in range(LEVELS):
        yield markup
        if not ESCAPED.search(markup):
            return
        if "&quot;http" in markup or "&#34;http" in markup:
            yield html.unescape(markup)
        markup = ESCAPE.sub(_plain, markup)


def _plain(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else PLAIN.get(match[3], match[3])


def _from_arrays(markup: str) -> Iterator[PageRecord]:
    thumbnail = document = ""
    matches = list(IMAGE.finditer(markup))
    for index, match in enumerate(matches):
        url = unescape(match[1])
        if not is_http_url(quote_url(url)):
            continue
        if is_own(url):
            thumbnail = url
            before = DOCUMENT.search(markup, max(0, match.start() - 80), match.start())
            document = before[1] if before else ""
            continue
        end = matches[index + 1].start() if index + 1 < len(matches) else len(markup)
        about = ABOUT.search(markup, match.end(), min(end, match.end() + NEAR))
        page, title = (unescape(about[1]), unescape(about[2])) if about else ("", "")
        result = SearchResult(url, page, thumbnail, title, width=int(match[3]), height=int(match[2]))
        yield PageRecord("script", document, result)
        thumbnail = document = ""


def _from_meta(markup: str) -> Iterator[PageRecord]:
    """Images of older pages: JSON objects with the key ou."""
    for match in META.finditer(markup):
        try:
            values = json.loads(match[0])
            size = int(values.get("ow", 0)), int(values.get("oh", 0))
        except (ValueError, TypeError, OverflowError, RecursionError):
            continue
        if isinstance(url := values.get("ou"), str):
            page, thumbnail, title = (text(values.get(name)) for name in ("ru", "tu", "pt"))
            yield PageRecord("meta", text(values.get("id")), SearchResult(url, page, thumbnail, title, *size))


def _from_data(markup: str) -> Iterator[PageRecord]:
    """Images of an older form of the batches that follow on scrolling: elements with data-ou."""
    for match in TAG.finditer(markup) if "data-ou=" in markup else ():
        if " data-ou=" not in (tag := " ".join(match[0].split())):
            continue
        found = {name: html.unescape(double or single) for name, double, single in ATTRIBUTE.findall(tag)}
        if "data-ou" not in found:  # its quotes are escaped still
            continue
        size = _whole(found.get("data-ow", "")), _whole(found.get("data-oh", ""))
        page, title = found.get("data-ru", ""), found.get("data-pt", "")
        yield PageRecord("data-ou", found.get("data-docid", ""), SearchResult(found["data-ou"], page, "", title, *size))


def _from_ischj(markup: str) -> Iterator[PageRecord]:
    """Images of a JSON reply: ischj.metadata, which states the creator."""
    failures = 0
    for match in ISCHJ.finditer(markup):
        try:
            values, _ = json.JSONDecoder(strict=False).raw_decode(markup, match.end())
        except (ValueError, RecursionError):
            failures += 1
            if failures > MOST_FAILURES:
                return
            continue
        metadata = values.get("metadata")
        for entry in metadata if isinstance(metadata, list) else ():
            image, about, small = (_section(entry, name) for name in ("original_image", "result", "thumbnail"))
            iptc = _section(about, "iptc")
            result = SearchResult(
                text(image.get("url")),
                text(about.get("referrer_url")),
                text(small.get("url")),
                text(about.get("page_title")),
                number(image.get("width")),
                number(image.get("height")),
                creator=_names(iptc.get("creator")) or text(iptc.get("copyright_notice")),
            )
            yield PageRecord("ischj", text(_section(entry, "result").get("document_id")), result)


def _from_links(markup: str) -> Iterator[PageRecord]:
    """Images in links: of the oldest pages, and of today's where the mouse was over a result."""
    for match in LINK.finditer(markup):
        try:
            values = {name: value[0] for name, value in parse_qs(html.unescape(match[1])).items()}
        except ValueError:
            continue
        size = _whole(values.get("w", "")), _whole(values.get("h", ""))
        result = SearchResult(values.get("imgurl", ""), values.get("imgrefurl", ""), "", "", *size)
        # not docid, which in old links is that of a page with several images
        yield PageRecord("link", values.get("tbnid", ""), result)


def _from_opened(markup: str) -> Iterator[PageRecord]:
    """The image in the panel that a click opened."""
    for match in OPENED.finditer(markup):
        found = {name: html.unescape(double or single) for name, double, single in ATTRIBUTE.findall(match[0])}
        if found.get("src", "").startswith("http"):
            yield PageRecord("opened panel", "", SearchResult(found["src"], title=found.get("alt", "")))


FORMS: tuple[Callable[[str], Iterator[PageRecord]], ...] = (
    *(_from_arrays, _from_meta, _from_data, _from_ischj, _from_links, _from_opened),
)


def unescape(literal: str) -> str:
    """The text that the inside of a JavaScript string literal stands for; empty if it is malformed."""
    try:
        return json.loads(f'"{literal}"', strict=False)
    except ValueError:  # \x3d is JavaScript's, not JSON's
        try:
            return json.loads('"' + re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", literal) + '"', strict=False)
        except ValueError:
            return ""


def is_own(url: str) -> bool:
    """Whether an address is one of Google's, such as a thumbnail's."""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return False
    return any(host == own or host.endswith("." + own) for own in OWN_HOSTS)


def _section(values: Any, name: str) -> dict[str, Any]:
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, dict) else {}


def _names(value: Any) -> str:
    return ", ".join(filter(None, map(text, value))) if isinstance(value, list) else text(value)


def _whole(digits: str) -> int:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 7 else 0
