"""Read the pages of results that the user saved: HTML, MHTML, Safari's web archives, or HAR from the network panel."""

from __future__ import annotations

import base64
import binascii
import codecs
import email
import email.policy
import gzip
import html
import json
import plistlib
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distillery.jobs import UserError, log, one_line
from distillery.sources.engines.google import block_of, results_in, unreadable
from distillery.sources.engines.results import SearchResult
from distillery.storage.files import files_below
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.urls import query_value

SUFFIXES = (".html", ".htm", ".mhtml", ".mht", ".webarchive", ".har", ".json", ".txt", ".gz")
MAX_PAGE_BYTES = 500_000_000  # of a file; a HAR holds every image of a page
MAX_TEXT_BYTES = 50_000_000  # of one text in a file
TEXT_TYPES = ("text/", "json", "javascript", "xml", "html")
TITLE = re.compile(r"<title>([^<]{1,300}) - Google[^<]{0,40}</title>")
SAVE_AS_HAR = (
    "open the browser's network panel (F12), load the search, scroll, and save all as HAR with content; or save the"
    " page as HTML only, before anything is clicked"
)


@dataclass(frozen=True)
class PageText:
    """A text in a saved file: the page, or the body of one response.

    Attributes:
        where: the file and the part of it, for messages.
        markup: the text.
        url: of the response, if it is known.
    """

    where: str
    markup: str
    url: str = ""


def saved_files(folder: str | Path, label: str) -> list[Path]:
    """The saved pages of a class, sorted: `{label}/*` or `{label}.html`, `.har` and so on.

    Folders whose names end in `_files` are left out: a browser saves a page's images there.
    """
    folder = Path(folder)
    below = (path for name, path in files_below(folder / label).items() if "_files/" not in name)
    beside = (folder / f"{label}{suffix}" for suffix in SUFFIXES)
    return [path for path in (*below, *beside) if path.suffix.lower() in SUFFIXES and path.is_file()]


def other_files(folder: str | Path, label: str) -> str:
    """For a message: files in a class's folder that are not saved pages by their names; empty if there are none."""
    names = [path.name for path in files_below(Path(folder) / label).values() if path.suffix.lower() not in SUFFIXES]
    return f" but {', '.join(names[:3])}{', …' * (len(names) > 3)}" if names else ""


def saved_results(folder: str | Path, name: str, label: str) -> list[tuple[str, SearchResult]]:
    """The results in the saved pages of a class as (query, result), each URL once; an unknown query is empty.

    Raises:
        UserError: a file cannot be read.
        Refusal: there is no page of the class, or no page has a result; the message says what the pages have instead.
    """
    files = saved_files(folder, label)
    where = f"source {name}, class {label}"
    if not files:
        raise Refusal(
            f"{where}: {folder} has no saved page{other_files(folder, label)}. Save one as {folder}/{label}/1.html or"
            f" .har ({SAVE_AS_HAR}).",
            "no saved pages",
        )
    found: dict[str, tuple[str, SearchResult]] = {}
    empty: list[str] = []
    for path in files:
        texts = list(page_texts(path))
        of_file = [(query_of(text), result) for text in texts for result in results_in(text.markup)]
        log.info("%s: %s has %d results", where, path, len(of_file))
        for query, result in of_file:
            found.setdefault(result.url, (query, result))
        if not of_file:
            empty.append(f"{path} {shortcoming(texts)}")
    for line in empty if found else ():
        log.warning("%s: %s", where, line)
    if not found:
        raise Refusal(
            f"{where}: no result in {len(files)} saved files: {'; '.join(empty[:3])}. To see what was found:"
            f" python -m distillery.sources.inspect {files[0]}",
            "unreadable page",
        )
    return list(found.values())


def query_of(text: PageText) -> str:
    """The search query, from the URL of the response or the page's title; empty if neither has it."""
    if query := query_value(text.url, "q"):
        return query
    title = TITLE.search(text.markup)
    return one_line(html.unescape(title[1]), 200) if title else ""


def shortcoming(texts: list[PageText]) -> str:
    """Why a saved file has no results, and what to do: the rest of a sentence that begins with the file's name."""
    for text in texts:
        if reason := block_of(text.markup, text.url):
            what = f"is a {reason}" if reason != "page for browsers only" else "was saved before its scripts had run"
            return f"{what}: open the search in your browser, wait for its images, and save again"
    for text in texts:
        if problem := unreadable(text.markup):
            return f"has {problem}: {SAVE_AS_HAR}"
    if texts and not any(text.markup.strip() for text in texts):
        return "is empty: save it again once the page has its images"
    if not texts:
        return "holds no text of a page (a HAR without content?): save it again with content"
    return "has no results of an image search: save the page whose address has udm=2"


def page_texts(path: Path) -> Iterator[PageText]:
    """The texts in a saved file that may contain records.

    Raises:
        UserError: the file cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > MAX_PAGE_BYTES:
            raise UserError(f"{path} is larger than {MAX_PAGE_BYTES:,} bytes. Save fewer pages in one file.")
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                data = file.read(MAX_TEXT_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}). Save the page again.") from error
    head = data[:2000].lstrip().lower()
    if head.startswith(b"{") and (entries := _har_entries(data)) is not None:
        yield from _har_texts(path, entries)
    elif head.startswith(b"bplist00"):
        yield from _webarchive_texts(path, data)
    elif b"mime-version:" in head or head.startswith((b"from: <saved by", b"content-type: multipart")):
        yield from _mhtml_texts(path, data)
    else:
        yield PageText(str(path), _decoded(data))


def _har_entries(data: bytes) -> list[Any] | None:
    try:
        entries = json.loads(data)["log"]["entries"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # truncated, or other JSON: its text is searched as it is
    return entries if isinstance(entries, list) else None


def _har_texts(path: Path, entries: list[Any]) -> Iterator[PageText]:
    for number, entry in enumerate(entries, 1):
        content = _section(_section(entry, "response"), "content")
        body, kind = content.get("text"), str(content.get("mimeType", "")).lower()
        if not isinstance(body, str) or not body or (kind and not any(each in kind for each in TEXT_TYPES)):
            continue
        if content.get("encoding") == "base64":
            try:
                body = _decoded(base64.b64decode(body))
            except (binascii.Error, ValueError):
                continue
        url = _section(entry, "request").get("url")
        yield PageText(f"{path}, request {number}", body[:MAX_TEXT_BYTES], url if isinstance(url, str) else "")


def _mhtml_texts(path: Path, data: bytes) -> Iterator[PageText]:
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    for number, part in enumerate(message.walk(), 1):
        if part.is_multipart() or not any(each in part.get_content_type() for each in TEXT_TYPES):
            continue
        body = part.get_payload(decode=True)
        if isinstance(body, bytes):
            yield PageText(f"{path}, part {number}", _decoded(body), str(part.get("Content-Location", "")))


def _webarchive_texts(path: Path, data: bytes) -> Iterator[PageText]:
    """The texts of a page that Safari saved: a binary property list with the page and the files that it loaded."""
    try:
        archive = plistlib.loads(data)
    except Exception as error:  # a damaged list raises errors of plistlib, struct and Python
        raise UserError(f"{path} is damaged ({one_line(error, 80)}). Save the page again.") from error
    others = archive.get("WebSubresources") if isinstance(archive, dict) else None
    parts = [_section(archive, "WebMainResource"), *(others if isinstance(others, list) else ())]
    for number, part in enumerate((part for part in parts if isinstance(part, dict)), 1):
        body, kind, url = (part.get(f"WebResource{name}") for name in ("Data", "MIMEType", "URL"))
        if isinstance(body, bytes) and any(each in str(kind) for each in TEXT_TYPES):
            yield PageText(f"{path}, part {number}", _decoded(body), url if isinstance(url, str) else "")


def _decoded(data: bytes) -> str:
    utf16 = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return data[:MAX_TEXT_BYTES].decode("utf-16" if utf16 else "utf-8-sig", "replace")


def _section(values: Any, name: str) -> Mapping[str, Any]:
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, dict) else {}
