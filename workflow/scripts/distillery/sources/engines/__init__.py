"""Support image searches: for each, build the URL of a page of results and parse that page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from distillery.sources.engines import bing, commons, google, inaturalist, openverse
from distillery.sources.engines.results import SearchResult


class Engine(Protocol):
    """The interface of each search's module."""

    HOME: str  # start of its URLs
    PAGE: int  # results on a page
    STEADY: bool  # whether the next page starts PAGE results later, however many results are on this one
    FILTERS: dict[str, dict[str, str]]  # filter → its value in the configuration → its value in the URL

    def search_url(self, query: str, first: int, filters: Mapping[str, str], home: str = ...) -> str:
        """The URL of the page that follows the `first` results."""

    def parse(self, page: bytes, url: str = ...) -> list[SearchResult]:
        """The results on a page, in order."""


ENGINES: dict[str, Engine] = {
    "google": google,
    "bing": bing,
    "openverse": openverse,
    "commons": commons,
    "inaturalist": inaturalist,
}
