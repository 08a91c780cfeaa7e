"""Build the URL of a page of results of Google's image search, and parse that page.

Google usually sends programs a page for browsers only, a consent page or a captcha. That raises `SourceBlocked`: this
module never pretends to be a browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from distillery.sources.engines.google_records import count_cards, page_records
from distillery.sources.engines.results import MarkupChanged, SearchResult, SourceBlocked, unique

HOME = "https://www.google.com"
PAGE = 100  # results a page
STEADY = True  # the next page starts PAGE results later, however many results are on this one
FULL_OF_IMAGES = 10  # <img> tags; a page with fewer may just have no results

FILTERS = {
    "type": {name: f"itp:{name}" for name in ("photo", "clipart", "lineart", "face", "animated")},
    "size": {"large": "isz:l", "medium": "isz:m", "icon": "isz:i"},
    # the search now distinguishes only Creative Commons from other licenses, and no longer the permitted uses
    "license": {"commercial": "il:cl", "noncommercial": "il:cl", "creativecommons": "il:cl", "other": "il:ol"},
    "color": {"color": "ic:color", "blackandwhite": "ic:gray", "transparent": "ic:trans"},
}
CAPTCHA, CONSENT = "captcha", "consent page"
BLOCKED = (  # a sign in the page or its URL, and the reason of the refusal
    ("/sorry/", CAPTCHA),
    ("captcha-form", CAPTCHA),
    ("unusual traffic from your computer network", CAPTCHA),
    ("consent.google.", CONSENT),
    ('id="L2AGLb"', CONSENT),  # the button that accepts
    ("enablejs", "page for browsers only"),
)
ADVICE = "see docs/sources.md for pages that you save yourself (`saved`) or your own browser (`browser`)"


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The URL of a page of results.

    Args:
        query: as a person would type it.
        first: results to skip, a multiple of `PAGE`.
        filters: type, size, license, color; empty for none.
        home: start of the URL.
    """
    names = [FILTERS[key][value] for key, value in filters.items() if value]
    parameters = {"q": query, "udm": 2, "hl": "en"} | ({"start": first} if first else {})
    if names:
        parameters["tbs"] = ",".join(names)
    return f"{home}/search?{urlencode(parameters)}"


def parse(page: bytes, url: str = "") -> list[SearchResult]:
    """The results of a page, in order; none where the results end.

    Args:
        page: the response's body, any bytes.
        url: of the response, after redirects.

    Raises:
        SourceBlocked: a captcha, a consent page, a page for browsers only.
        MarkupChanged: a page of result cards without image URLs, or one full of images in an unknown format.
    """
    markup = page.decode("utf-8", "replace")
    if results := results_in(markup):
        return results
    if reason := block_of(markup, url):
        raise SourceBlocked(
            f"Google answered with a {reason} instead of results, as it usually does to programs. Remove the source,"
            f" use another (bing, urls, folder, diffusion), or {ADVICE}.",
            reason,
        )
    if problem := unreadable(markup):
        raise MarkupChanged(f"Google answered with {problem}. Use another source (bing, urls, folder), or {ADVICE}.")
    return []


def results_in(markup: str) -> list[SearchResult]:
    """The results in a text, in order, without thumbnails, and each of Google's documents once."""
    return unique([record.result for record in page_records(markup) if not record.problem])


def block_of(markup: str, url: str = "") -> str:
    """The reason if a page without results is a refusal; else empty."""
    return next((reason for sign, reason in BLOCKED if sign in markup or sign in url), "")


def unreadable(markup: str) -> str:
    """What a page without results has that could not be read, for a message; empty if it is just without results."""
    if cards := count_cards(markup):
        return f"{cards} result cards without an address of an image"
    images = len(re.findall(r"<img\b", markup, re.IGNORECASE))
    return f"{images} images in a markup this version cannot read" if images >= FULL_OF_IMAGES else ""
