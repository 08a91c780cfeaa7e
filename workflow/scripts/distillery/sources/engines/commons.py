"""Search Wikimedia Commons for freely licensed images, by MediaWiki's public API (commons.wikimedia.org/w/api.php).

Every result states its license and author. Wikimedia refuses programs that do not say who runs them (`contact`). Images
are fetched 960 pixels wide, one of the widths that it caches; originals can have 100 megapixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from distillery.sources.engines.markup import plain_text
from distillery.sources.engines.results import SearchResult, number, read_list, text, unique

HOME = "https://commons.wikimedia.org"
PAGE = 50  # results a page, the most without an account
STEADY = True  # the next page starts PAGE results later, however many results are on this one
WIDTH = 960  # pixels
FILTERS: dict[str, dict[str, str]] = {}


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The URL of a page of results: bitmap files only, no drawings, sounds or books.

    Args:
        query: as a person would type it.
        first: results to skip.
        filters: ignored, as the API has none.
        home: start of the URL.
    """
    parameters = {
        "action": "query",
        "format": "json",
        "formatversion": 2,
        "generator": "search",
        "gsrsearch": f"{query} filetype:bitmap",
        "gsrnamespace": 6,
        "gsrlimit": PAGE,
        "gsroffset": first,
        "prop": "imageinfo",
        "iiprop": "url|size|extmetadata",
        "iiurlwidth": WIDTH,
        "iiextmetadatafilter": "Artist|LicenseShortName|ObjectName",
    }
    return f"{home}/w/api.php?{urlencode(parameters)}"


def parse(page: bytes, url: str = "") -> list[SearchResult]:
    """The results of a page, best match first; none where the results end.

    Raises:
        MarkupChanged: the response does not have the documented form.
    """
    found = read_list(page, "Wikimedia Commons", "query", "pages", empty="batchcomplete")
    pages = [result for result in found if isinstance(result, dict)]
    # the API sorts pages by their ids; `index` is their rank among the results
    return unique([_search_result(found) for found in sorted(pages, key=lambda found: number(found.get("index")))])


def _search_result(found: Mapping[str, Any]) -> SearchResult:
    info = found.get("imageinfo")
    info = info[0] if isinstance(info, list) and info and isinstance(info[0], dict) else {}
    metadata = info.get("extmetadata")
    entries = metadata.items() if isinstance(metadata, dict) else ()
    values = {name: plain_text(entry.get("value")) for name, entry in entries if isinstance(entry, dict)}
    return SearchResult(
        text(info.get("thumburl")) or text(info.get("url")),
        text(info.get("descriptionurl")),
        "",
        values.get("ObjectName") or text(found.get("title")).removeprefix("File:"),
        number(info.get("thumbwidth")) or number(info.get("width")),
        number(info.get("thumbheight")) or number(info.get("height")),
        values.get("LicenseShortName", ""),
        values.get("Artist", ""),
    )
