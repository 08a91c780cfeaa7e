"""Retrieve a class's images from a search, with results from saved pages, from a browser, or by requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from distillery.jobs import log
from distillery.sources.candidate_lists import candidate, retrieve_in_order
from distillery.sources.crawling import crawl
from distillery.sources.engines.results import SearchResult, SourceBlocked
from distillery.sources.network.fetching import Fetcher, Limits
from distillery.sources.pages.browser import open_browser
from distillery.sources.pages.saved import saved_results
from distillery.sources.pages.window import PageTimes, SearchWindow, WindowClosed
from distillery.sources.search import Search
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store

Entries = Iterator[tuple[ImageRecord, bytes | None]]
MORE = 1.5  # results to collect in the browser for each image requested, since some cannot be retrieved


def retrieve_class(
    source: Mapping[str, Any], search: Search, store: Store, loopback: int | None = None, whole: bool = False
) -> Entries:
    """Retrieve the images of one class.

    Args:
        source: as configured; its keys `saved` and `browser` decide where the results come from.
        search, store, loopback, whole: as for `crawl`.

    Returns:
        Every record in order, with its bytes, or None if it has a failure.

    Raises:
        Refusal: there are no results, or not one image was retrieved.
        UserError: a saved page cannot be read.
    """
    if source.get("saved"):
        results = saved_results(source["saved"], search.source, search.label)
        return _retrieve_results(source, search, results, store, loopback)
    if source.get("browser"):
        results = _in_browser(source, search, store, loopback, whole)
        return _retrieve_results(source, search, results, store, loopback)
    return crawl(search, Limits.of(source), store, loopback, whole)


def _in_browser(
    source: Mapping[str, Any], search: Search, store: Store, loopback: int | None, whole: bool
) -> list[tuple[str, SearchResult]]:
    """The results of all queries, which take turns, each with its query."""
    # the same profile for all classes, so that the user consents only once
    profile = Path(store.root).absolute().parents[1] / "browser" / search.source
    headless = bool(source.get("headless"))
    minutes = 0.0 if headless else source["wait_minutes"]
    with open_browser(headless, profile, loopback) as driver:
        window = SearchWindow(driver, PageTimes(patience=60 * minutes), f"source {search.source}, class {search.label}")
        by_query, refusal = results_of_queries(window, search)
    return _in_turns(by_query, refusal, search, whole)


def results_of_queries(window: SearchWindow, search: Search) -> tuple[dict[str, list[SearchResult]], Refusal | None]:
    """The results of each query in a browser's window, and the refusal that ended the search early, or None."""
    most = min(search.max_per_query, -(-int(search.requested * MORE) // len(search.queries)))
    found: dict[str, list[SearchResult]] = {}
    try:
        for query in search.queries:
            found[query] = []
            for result in window.results(search.page_url(query, 0), most):
                found[query].append(result)
    except Refusal as refusal:
        return found, refusal
    return found, None


def _in_turns(
    by_query: Mapping[str, Sequence[SearchResult]], refusal: Refusal | None, search: Search, whole: bool
) -> list[tuple[str, SearchResult]]:
    """The results with their queries: first the first result of each query, then the second, each URL once.

    Raises:
        Refusal: there are no results; or the search ended before there are enough, and `whole` is set.
    """
    first: dict[str, tuple[str, SearchResult]] = {}
    for row in zip_longest(*by_query.values()):
        for query, result in zip(by_query, row, strict=True):
            if result is not None:
                first.setdefault(result.url, (query, result))
    where = f"source {search.source}, class {search.label}"
    incomplete = whole and isinstance(refusal, SourceBlocked | WindowClosed) and len(first) < search.requested
    if refusal and (not first or incomplete):
        raise type(refusal)(f"{where}: {refusal}", refusal.reason)
    if refusal:
        log.warning("%s: %s The results found before are used.", where, refusal)
    if not first:
        raise Refusal(f"{where}: the browser found no result. Change the queries.", "nothing found")
    return list(first.values())


def _retrieve_results(
    source: Mapping[str, Any],
    search: Search,
    results: Sequence[tuple[str, SearchResult]],
    store: Store,
    loopback: int | None,
) -> Entries:
    records = [
        candidate(search.source, search.label, search.kind, rank, result, query)
        for rank, (query, result) in enumerate(results)
    ]
    where, fetcher = f"source {search.source}, class {search.label}", Fetcher(Limits.of(source), loopback)
    return retrieve_in_order(records, search.requested, store, fetcher, where, "the pages of results")
