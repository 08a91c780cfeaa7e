"""Check an image search before the first crawl by sending it one query."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distillery.jobs import UserError
from distillery.sources.api_access import fetcher_of
from distillery.sources.crawl_threads import no_answer
from distillery.sources.engines import ENGINES
from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Limits
from distillery.sources.pages.browser import find_browser
from distillery.sources.search import require_contact, search_of
from distillery.storage.retrieved.source_checks import SourceCheck, now


def check_search(
    source: Mapping[str, Any], name: str, query: str, store: str | Path, loopback: int | None = None
) -> SourceCheck:
    """Request the first page of results of a query.

    Args:
        source: the configured source, of a kind in `ENGINES`.
        name: of the source.
        query: to send.
        store: the source's folder of retrieved images.
        loopback: port of the imitated web; None for the internet.

    Returns:
        Its result: ok if there are results, unknown if there are none or the crawl will use a browser.

    Raises:
        Refusal: the search gives programs no results.
        UserError: the disk has too little space for its images.
    """
    require_contact(source["kind"], source.get("contact", ""), name)
    require_room(store, source.get("min_free_bytes", 0))
    if source.get("saved"):  # `own_files` checks the saved pages before any job
        return SourceCheck(name, "ok", when=now())
    if source.get("browser"):
        find_browser(bool(source.get("headless")))
        return SourceCheck(name, "unknown", "not asked", "the crawl opens a browser and asks there", now())
    one_page = {"per_class": 1, "max_per_query": 1}
    search = search_of({**source, **one_page}, name, "", [query], imitated=loopback is not None)
    try:
        response = fetcher_of(search, Limits.of(source), loopback).fetch_page(search.page_url(query, 0))
    except FetchError as failure:
        raise no_answer(str(failure)) from failure
    if ENGINES[search.kind].parse(response.body, response.url):
        return SourceCheck(name, "ok", when=now())
    return SourceCheck(name, "unknown", "no results", f"{query!r} has none; see whether the other queries do", now())


def require_room(store: str | Path, free: int) -> None:
    """Check that a store's disk has enough free space.

    Args:
        store: its folder, which need not exist.
        free: bytes that must be free.

    Raises:
        UserError: less is free.
    """
    path = Path(store).absolute()
    while not path.exists():
        path = path.parent
    left = shutil.disk_usage(path).free
    if left < free:
        raise UserError(
            f"disk: {left:,} bytes are free where {store} lies, and min_free_bytes is {free:,}. Make room, or lower the"
            " source's min_free_bytes."
        )
