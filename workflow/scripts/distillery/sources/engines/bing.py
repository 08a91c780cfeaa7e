"""Build the URL of a page of results of Bing's image search, and parse that page."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from distillery.sources.engines.markup import Tags
from distillery.sources.engines.results import (
    MarkupChanged,
    SearchResult,
    SourceBlocked,
    UnrelatedResults,
    text,
    unique,
)
from distillery.storage.urls import query_value

HOME = "https://www.bing.com"
PAGE = 35  # results requested at a time
STEADY = False  # the next page starts after the results that are on this one
FULL_OF_IMAGES = 10  # <img> tags; a page with fewer may just have no results

COLORS = (*("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "gray", "white"),)
MINUTES = {"day": 1440, "week": 10080, "month": 43200, "year": 525600}
FILTERS = {
    "type": {
        "photo": "photo-photo",
        "clipart": "photo-clipart",
        "lineart": "photo-linedrawing",
        "face": "face-face",
        "animated": "photo-animatedgif",
    },
    "size": {
        "large": "imagesize-large",
        "medium": "imagesize-medium",
        "icon": "imagesize-small",
        "wallpaper": "imagesize-wallpaper",
    },
    "license": {
        "commercial": "license-L2_L3_L4",
        "noncommercial": "license-L2_L3_L4_L5_L6_L7",
        "publicdomain": "license-L1",
    },
    "color": {"color": "color2-color", "blackandwhite": "color2-bw", "transparent": "photo-transparent"}
    | {name: f"color2-FGcls_{name.upper()}" for name in COLORS},
    "aspect": {name: f"aspect-{name}" for name in ("square", "wide", "tall")},
    "age": {name: f"age-lt{minutes}" for name, minutes in MINUTES.items()},
}
CUSTOM_SIZE = re.compile(r"(\d+)x(\d+)")  # minimum width and height in pixels
# the size in a card's text, for a card whose link does not state it: 3200 × 2400 · jpeg
SIZE_TEXT = re.compile(r'class="nowrap"[^<>]{0,200}>\s*(\d{1,5})\s*(?:x|×|&#215;|&times;)\s*(\d{1,5})')
CARD = re.compile(r'class="(?:[^"<>]*\s)?iusc[\s"]')
ENOUGH_TO_JUDGE = 10  # results; a page with fewer never counts as unrelated


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The URL of a page of results.

    Args:
        query: as a person would type it.
        first: results to skip.
        filters: type, size (also a width and height such as 800x600), license, color, aspect, age; empty for none.
        home: start of the URL.
    """
    names = [_filter(key, value) for key, value in filters.items() if value]
    parameters = {"q": query, "first": first + 1, "count": PAGE, "mmasync": 1}  # Bing counts from 1
    if names:
        parameters["qft"] = "".join(f"+filterui:{name}" for name in names)
    return f"{home}/images/async?{urlencode(parameters)}"


def _filter(key: str, value: str) -> str:
    if key == "size" and (size := CUSTOM_SIZE.fullmatch(value)):
        return f"imagesize-custom_{size[1]}_{size[2]}"
    return FILTERS[key][value]


def parse(page: bytes, url: str = "") -> list[SearchResult]:
    """The results of an `/images/async` response, in order; none where the results end.

    Each result is an `<a class="iusc" m="…">` whose attribute is JSON: murl is the image, purl its page, turl the
    thumbnail, t the title. The link's own URL states the size (expw, exph), or else the text of its card.

    Args:
        page: the response's body, any bytes.
        url: of the response, after redirects.

    Raises:
        SourceBlocked: a captcha.
        MarkupChanged: a page full of images without a result in this form.
        UnrelatedResults: no result contains a word of the query in the URL.
    """
    markup = page.decode("utf-8", "replace")
    html = Tags(markup)
    cards = [attributes for attributes in html.links if "iusc" in attributes.get("class", "").split()]
    sizes = _sizes_in_text(markup, len(cards))
    results = unique([found for card, size in zip(cards, sizes, strict=True) if (found := _search_result(card, size))])
    if results:
        query = query_value(url, "q")
        if len(results) >= ENOUGH_TO_JUDGE and not any(is_related(result, query) for result in results):
            raise UnrelatedResults(
                f"Bing answered {query[:80]!r} with {len(results)} results, none of which contains a word of it, as it"
                " sometimes does to programs. Run again later, change the query, or use another source (urls, folder,"
                " diffusion)."
            )
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
            f"Bing answered with {html.count('img')} images in a markup this version cannot read. Please report it,"
            " and use another source (urls, folder, diffusion) until it is fixed."
        )
    return []


def _sizes_in_text(markup: str, count: int) -> list[tuple[int, int]]:
    """Width and height in the text of each of `count` cards; zeros where the text has none."""
    starts = [match.start() for match in CARD.finditer(markup)]
    sizes = [(0, 0)] * count
    if len(starts) == count:  # else it is not clear to which card a text belongs
        for match in SIZE_TEXT.finditer(markup):
            card = bisect_right(starts, match.start()) - 1
            if card >= 0 and sizes[card] == (0, 0):
                sizes[card] = int(match[1]), int(match[2])
    return sizes


def is_related(result: SearchResult, query: str) -> bool:
    """Whether a result's title or URLs contain a word of the query, perhaps with another ending."""
    text = f"{result.title} {unquote_plus(result.page)} {unquote_plus(result.url)}".casefold()
    words = [word for word in re.findall(r"\w+", query.casefold()) if len(word) > 1 or not word.isascii()]
    return not words or any(word[: max(3, len(word) - 2)] in text for word in words)


def _search_result(card: Mapping[str, str], size: tuple[int, int]) -> SearchResult | None:
    try:
        values = json.loads(card.get("m", ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not isinstance(values.get("murl"), str):
        return None
    page, thumbnail, title = (text(values.get(name)) for name in NAMES)
    return SearchResult(values["murl"], page, thumbnail, title, *(_declared_size(card.get("href", "")) or size))


NAMES = ("purl", "turl", "t")  # page, thumbnail, title


def _declared_size(link: str) -> tuple[int, int] | None:
    try:
        values = parse_qs(urlsplit(link).query)
        return int(values["expw"][0]), int(values["exph"][0])
    except (ValueError, KeyError):
        return None
