"""Bing's image search: the address of a page of results, and the records on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from distillery.sources.results import MarkupChanged, SearchResult, SourceBlocked, Tags, unique

HOME = "https://www.bing.com"
PAGE = 35  # results asked for at a time
STEADY = False  # a page counts the results that are on it
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
    """The address of a page of results.

    Args:
        query: as a person would type it.
        first: results to skip.
        filters: type, size, license, color; empty for none.
        home: where the search answers.
    """
    names = [FILTERS[key][value] for key, value in filters.items() if value]
    parameters = {"q": query, "first": first, "count": PAGE, "mmasync": 1}
    if names:
        parameters["qft"] = "".join(f"+filterui:{name}" for name in names)
    return f"{home}/images/async?{urlencode(parameters)}"


def parse(page: bytes, address: str = "") -> list[SearchResult]:
    """The records of an `/images/async` answer, in order; empty where the results end.

    Each result is an `<a class="iusc" m="…">` whose attribute is JSON: murl the image, purl its page, turl the
    thumbnail, t the title. The size stands in the link's own address (expw, exph).

    Args:
        page: the answer's body, whatever it holds.
        address: where the answer came from in the end.

    Raises:
        SourceBlocked: a captcha.
        MarkupChanged: a page full of images and no result in the form known.
    """
    text = page.decode("utf-8", "replace")
    found = Tags(text)
    records = unique(
        [record for tag, attributes in found.tags if tag == "a" and (record := _search_result(attributes))]
    )
    if records:
        return records
    lower = text.lower()
    if "captcha" in lower or "verify you are a human" in lower or "/turing/" in address:
        raise SourceBlocked(
            "Bing asks for proof that a person is searching. Wait some hours, lower the number of images, or use"
            " another source (urls, folder, diffusion)."
        )
    if found.count("img") >= FULL_OF_IMAGES:
        raise MarkupChanged(
            f"Bing answered with {found.count('img')} images in a markup this version cannot read. Please report it;"
            " until then use another source (urls, folder, diffusion)."
        )
    return []


def _search_result(attributes: Mapping[str, str]) -> SearchResult | None:
    if "iusc" not in attributes.get("class", "").split() or "m" not in attributes:
        return None
    try:
        said = json.loads(attributes["m"])
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("murl"), str):
        return None
    texts = {key: said[name] for key, name in NAMES.items() if isinstance(said.get(name), str)}
    width, height = _declared_size(attributes.get("href", ""))
    return SearchResult(**texts, width=width, height=height)


NAMES = {"url": "murl", "page": "purl", "thumbnail": "turl", "title": "t"}


def _declared_size(link: str) -> tuple[int, int]:
    try:
        values = parse_qs(urlsplit(link).query)
        return int(values["expw"][0]), int(values["exph"][0])
    except (ValueError, KeyError):
        return 0, 0
