"""Bing's image search: the URL of a page of results, and a parser of that page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from distillery.sources.engines.results import MarkupChanged, SearchResult, SourceBlocked, Tags, text, unique

HOME = "https://www.bing.com"
PAGE = 35  # results asked for at a time
STEADY = False  # a page counts as the results that are on it
FULL_OF_IMAGES = 10  # <img> tags; a page with fewer may simply have no results

FILTERS = {
    "type": {
        "photo": "photo-photo",
        "clipart": "photo-clipart",
        "lineart": "photo-linedrawing",
        "face": "face-face",
        "animated": "photo-animatedgif",
    },
    "size": {"large": "imagesize-large", "medium": "imagesize-medium", "icon": "imagesize-small"},
    "license": {"commercial": "license-L2_L3_L4", "noncommercial": "license-L2_L3_L4_L5_L6_L7"},
    "color": {"color": "color2-color", "blackandwhite": "color2-bw", "transparent": "photo-transparent"},
}


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The URL of a page of results.

    Args:
        query: as a person would type it.
        first: results to skip.
        filters: type, size, license, color; empty for none.
        home: start of the URL.
    """
    names = [FILTERS[key][value] for key, value in filters.items() if value]
    parameters = {"q": query, "first": first, "count": PAGE, "mmasync": 1}
    if names:
        parameters["qft"] = "".join(f"+filterui:{name}" for name in names)
    return f"{home}/images/async?{urlencode(parameters)}"


def parse(page: bytes, url: str = "") -> list[SearchResult]:
    """The results of an `/images/async` response, in order; none where the results end.

    Each result is an `<a class="iusc" m="…">` whose attribute is JSON: murl is the image, purl its page, turl the
    thumbnail, t the title. The link's own URL states the size (expw, exph).

    Args:
        page: the response's body, any bytes.
        url: of the response, after redirects.

    Raises:
        SourceBlocked: a captcha.
        MarkupChanged: a page full of images without a result in this form.
    """
    markup = page.decode("utf-8", "replace")
    html = Tags(markup)
    results = unique([found for tag, attributes in html.tags if tag == "a" and (found := _search_result(attributes))])
    if results:
        return results
    lower = markup.lower()
    if "captcha" in lower or "verify you are a human" in lower or "/turing/" in url:
        raise SourceBlocked(
            "Bing asks for proof that a person is searching. Wait some hours, lower the number of images, or use"
            " another source (urls, folder, diffusion).",
            "captcha",
        )
    if html.count("img") >= FULL_OF_IMAGES:
        raise MarkupChanged(
            f"Bing answered with {html.count('img')} images in a markup this version cannot read. Please report it;"
            " until then use another source (urls, folder, diffusion)."
        )
    return []


def _search_result(attributes: Mapping[str, str]) -> SearchResult | None:
    if "iusc" not in attributes.get("class", "").split() or "m" not in attributes:
        return None
    try:
        values = json.loads(attributes["m"])
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not isinstance(values.get("murl"), str):
        return None
    page, thumbnail, title = (text(values.get(name)) for name in NAMES)
    return SearchResult(values["murl"], page, thumbnail, title, *_declared_size(attributes.get("href", "")))


NAMES = ("purl", "turl", "t")  # page, thumbnail, title


def _declared_size(link: str) -> tuple[int, int]:
    try:
        values = parse_qs(urlsplit(link).query)
        return int(values["expw"][0]), int(values["exph"][0])
    except (ValueError, KeyError):
        return 0, 0
