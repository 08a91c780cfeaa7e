"""Search iNaturalist for photos of plants, animals and fungi, by its public API (api.inaturalist.org/v1).

The search returns only observations of research grade: with a place, a date, and a species on which people agree. Every
photo states its license and creator. Only the first photo of an observation is used, since the others show the same
individual.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from distillery.sources.engines.openverse import license_name
from distillery.sources.engines.results import SearchResult, number, read_list, text, unique

HOME = "https://api.inaturalist.org"
PAGE = 200  # results a page, the maximum
STEADY = True  # the next page starts PAGE results later, however many results are on this one
MAX_RESULTS = 10_000  # of a query
SIDE = 500  # pixels of the longer side of a photo of medium size

FILTERS = {
    "license": {
        "commercial": "cc0,cc-by,cc-by-sa",
        "noncommercial": "cc0,cc-by,cc-by-sa,cc-by-nc,cc-by-nc-sa",
    }
}
SQUARE = re.compile(r"/square(?=\.\w+(?:\?|$))")
CREATOR = re.compile(r"\(c\)\s*(.*?),\s*(?:some|all|no) rights reserved", re.IGNORECASE)


def search_url(query: str, first: int, filters: Mapping[str, str], home: str = HOME) -> str:
    """The URL of a page of results.

    Args:
        query: the name of a species or group, common or scientific.
        first: results to skip, a multiple of `PAGE`.
        filters: license; empty for all photos, also those with all rights reserved.
        home: start of the URL.
    """
    parameters = {"q": query, "photos": "true", "quality_grade": "research", "per_page": PAGE}
    parameters |= {"page": first // PAGE + 1, "order_by": "votes"}
    if license := filters.get("license"):
        parameters["photo_license"] = FILTERS["license"][license]
    return f"{home}/v1/observations?{urlencode(parameters)}"


def parse(page: bytes, url: str = "") -> list[SearchResult]:
    """The results of a page, in order; none where the results end.

    Raises:
        MarkupChanged: the response does not have the documented form.
    """
    results = read_list(page, "iNaturalist", "results")
    return unique([found for each in results if isinstance(each, dict) and (found := _search_result(each))])


def _search_result(values: Mapping[str, Any]) -> SearchResult | None:
    photos = [photo for photo in values.get("photos") or () if isinstance(photo, dict)]
    if not photos:
        return None
    photo = photos[0]
    taxon, user = (found if isinstance(found := values.get(name), dict) else {} for name in ("taxon", "user"))
    names = [text(taxon.get("preferred_common_name")), text(taxon.get("name"))]
    creator = CREATOR.match(text(photo.get("attribution")))
    license = text(photo.get("license_code"))
    return SearchResult(
        SQUARE.sub("/medium", text(photo.get("url"))),
        text(values.get("uri")),
        text(photo.get("url")),
        ", ".join(filter(None, names)),
        *_medium_size(photo.get("original_dimensions")),
        license_name(license.removeprefix("cc-"), "") if license else "all rights reserved",
        creator[1] if creator else text(user.get("name")) or text(user.get("login")),
    )


def _medium_size(original: Any) -> tuple[int, int]:
    """Width and height of a photo of medium size."""
    sides = [number(original.get(name)) for name in ("width", "height")] if isinstance(original, dict) else [0, 0]
    scale = min(1.0, SIDE / max(*sides, 1))
    return round(sides[0] * scale), round(sides[1] * scale)
