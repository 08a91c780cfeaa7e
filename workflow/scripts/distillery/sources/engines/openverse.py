"""Search Openverse for openly licensed images of many collections, by its public API (api.openverse.org/v1).

Every result states its license and creator. Without an account a query gives at most 240 results, 20 a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from distillery.sources.engines.results import SearchResult, number, read_list, text, unique

HOME = "https://api.openverse.org"
PAGE = 20  # results a page, the maximum without an account
STEADY = True  # the next page starts PAGE results later, however many results are on this one

FILTERS = {
    "type": {"photo": "photograph", "illustration": "illustration"},
    "size": {"large": "large", "medium": "medium", "small": "small"},
    "license": {"commercial": "commercial", "modification": "modification"},
}
PARAMETERS = {"type": "category", "size": "size", "license": "license_type"}


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The URL of a page of results.

    Args:
        query: as a person would type it.
        first: results to skip, a multiple of `PAGE`.
        filters: type, size, license; empty for none.
        home: start of the URL.
    """
    parameters = {"q": query, "page": first // PAGE + 1, "page_size": PAGE, "mature": "false"}
    parameters |= {PARAMETERS[key]: FILTERS[key][value] for key, value in filters.items() if value}
    return f"{home}/v1/images/?{urlencode(parameters)}"


def parse(page: bytes, url: str = "") -> list[SearchResult]:
    """The results of a page, in order; none where the results end.

    Raises:
        MarkupChanged: the response does not have the documented form.
    """
    results = read_list(page, "Openverse", "results")
    return unique([_search_result(result) for result in results if isinstance(result, dict)])


def _search_result(values: Mapping[str, Any]) -> SearchResult:
    return SearchResult(
        text(values.get("url")),
        text(values.get("foreign_landing_url")),
        text(values.get("thumbnail")),
        text(values.get("title")),
        number(values.get("width")),
        number(values.get("height")),
        license_name(text(values.get("license")), text(values.get("license_version"))),
        text(values.get("creator")),
    )


def license_name(code: str, version: str) -> str:
    """`CC BY-SA 4.0` for by-sa and 4.0, `CC0 1.0`, `Public Domain Mark 1.0`; any other code unchanged."""
    code = code.lower()
    name = {"cc0": "CC0", "pdm": "Public Domain Mark"}.get(
        code, f"CC {code.upper()}" if code.startswith("by") else code
    )
    return f"{name} {version}".strip()
