"""Find the image records in a page of Google's image search, in every format seen so far.

A record may be anywhere: in an inline script or the body of a later request, unescaped or escaped once or twice, in
attributes, or in links. So this module searches the text with regular expressions, and does not parse the markup.
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
LEVELS = 4  # of escaping: none, once, twice, and twice inside a truncated HAR
# an escaped quote in front of the start of a record
ESCAPED = re.compile(r"""\\(?:"|x22|u0022)(?:https?:|ou|ischj)|data-ou=\\|imgurl\\|&(?:quot|#34);https?:""")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "", "f": ""}

# an image: ["URL",height,width], where the URL may contain \u003d and \/
# possessive quantifiers (*+) avoid backtracking, which would take quadratic time
IMAGE = re.compile(r'\["(https?:(?:[^"\\]|\\.){5,4000}+)",\s*(\d{1,5}),\s*(\d{1,5})\]')
# the image's thumbnail precedes it in the same format, and the id of Google's document precedes the thumbnail
DOCUMENT = re.compile(r'"([\w-]{4,60})",\s*$')
# the image's page and title follow: "2003":[null,"ref","page","title"
ABOUT = re.compile(r'"2003":\[null,"(?:[^"\\]|\\.)*+","((?:[^"\\]|\\.)*+)","((?:[^"\\]|\\.)*+)"')
NEAR = 4000  # characters between an image and its page and title, at most
META = re.compile(r'\{(?:[^{}<>"]|"(?!ou":))*+"ou":[^{}<>]*+\}')
TAG = re.compile(r"<\w[^<>]*+>")
ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]{1,40})=(?:"([^"]*)"|'([^']*)')""")
ISCHJ = re.compile(r'"ischj"\s*:\s*(?=\{)')
MOST_FAILURES = 20  # damaged replies after which the search stops: a page of Google's has not so many
LINK = re.compile(r"/imgres\?([^\"<>\n\\]{10,8000})")
OPENED = re.compile(r"<img\b(?=[^<>]*\bclass=[\"'][^\"'<>]*\biPVvYb\b)[^<>]*+>")
CARD = re.compile(r"<[a-z]+\b(?=[^<>]*\sdata-docid=)(?=[^<>]*\sdata-lpage=)[^<>]*>")


@dataclass(frozen=True)
class PageRecord:
    """An image record in a page; it may still be one of Google's own images.

    Attributes:
        form: where it was found: script, meta, data-ou, ischj, link, opened panel.
        document: Google's id of the document; empty if this form has none.
        result: the content of the record.
    """

    form: str
    document: str
    result: SearchResult

    @property
    def problem(self) -> str:
        """Why the record is not a result; empty if it is one."""
        if not is_http_url(quote_url(self.result.url)):
            return "no http address"
        return "Google's own host" if is_own(self.result.url) else ""


def page_records(markup: str) -> list[PageRecord]:
    """Every record in a text, ordered by level of escaping and then by form; each URL and document once."""
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
    """Number of result cards; a card has the URL of the page, not of the image."""
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
    """Records in older pages: JSON objects with the key ou."""
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
    """Records in older batches that follow on scrolling: elements with the attribute data-ou."""
    for match in TAG.finditer(markup) if "data-ou=" in markup else ():
        if " data-ou=" not in (tag := " ".join(match[0].split())):
            continue
        found = {name: html.unescape(double or single) for name, double, single in ATTRIBUTE.findall(tag)}
        if "data-ou" not in found:  # its quotes are still escaped
            continue
        size = _whole(found.get("data-ow", "")), _whole(found.get("data-oh", ""))
        page, title = found.get("data-ru", ""), found.get("data-pt", "")
        yield PageRecord("data-ou", found.get("data-docid", ""), SearchResult(found["data-ou"], page, "", title, *size))


def _from_ischj(markup: str) -> Iterator[PageRecord]:
    """Records in a JSON reply: ischj.metadata, which states the creator too."""
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
    """Records in links: in the oldest pages, and in today's if the mouse was over a result."""
    for match in LINK.finditer(markup):
        try:
            values = {name: value[0] for name, value in parse_qs(html.unescape(match[1])).items()}
        except ValueError:
            continue
        size = _whole(values.get("w", "")), _whole(values.get("h", ""))
        result = SearchResult(values.get("imgurl", ""), values.get("imgrefurl", ""), "", "", *size)
        # not docid: in old links, that is the id of a page, which may have several images
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
    """Decode the inside of a JavaScript string literal; empty if it is malformed."""
    try:
        return json.loads(f'"{literal}"', strict=False)
    except ValueError:  # \x3d is valid in JavaScript, not in JSON
        try:
            return json.loads('"' + re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", literal) + '"', strict=False)
        except ValueError:
            return ""


def is_own(url: str) -> bool:
    """Whether a URL is on one of Google's hosts, such as a thumbnail's."""
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
