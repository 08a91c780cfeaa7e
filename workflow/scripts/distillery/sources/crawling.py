"""Crawl an image search for the images of one class.

Queries take turns, so that each gives a part of the requested number. A URL found twice is one candidate. Every
candidate has a record, whether it was retrieved or not.
"""

from __future__ import annotations

from collections.abc import Iterator

from distillery.jobs import log
from distillery.sources.api_access import fetcher_of
from distillery.sources.crawl_threads import ImageCrawler
from distillery.sources.engines.results import SourceBlocked
from distillery.sources.network.fetching import Limits
from distillery.sources.retrieval import retrieve
from distillery.sources.search import Candidates, Search, require_contact
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store


def crawl(
    search: Search, limits: Limits, store: Store, loopback: int | None = None, whole: bool = False
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Crawl until enough images are retrieved or the results end.

    Args:
        search: what to search for.
        limits: how to fetch.
        store: images retrieved before; new images are added at once.
        loopback: see `connect`.
        whole: count a class as refused if the search is blocked before there are enough images. Otherwise the class
            keeps the images found before.

    Returns:
        Every record in order, with its bytes, or None if it has a failure. The iterator reads them from the store.

    Raises:
        Refusal: the search gives programs no results, no image was retrieved, or `whole` is set and the class is
            incomplete. The store keeps the images retrieved before.
    """
    require_contact(search.kind, limits.contact, search.source)
    candidates, fetcher = Candidates(search), fetcher_of(search, limits, loopback)
    ImageCrawler(candidates, fetcher, store).crawl()
    if candidates.error:
        raise candidates.error
    refusal, blocked = candidates.refusal, isinstance(candidates.refusal, SourceBlocked)
    incomplete = whole and blocked and candidates.retrieved() < search.requested
    if refusal and (incomplete or not candidates.found):
        raise type(refusal)(f"source {search.source}, class {search.label}: {refusal}", refusal.reason)
    if refusal:
        log.warning(
            "source %s, class %s: the search stopped answering; delete the class's pool to try again later. %s",
            *(search.source, search.label, refusal),
        )
    records = candidates.records()
    count = candidates.retrieved()
    if not count:
        raise Refusal(
            f"source {search.source}, class {search.label}: none of {len(records)} candidates could be retrieved."
            " Check the connection to the internet, or change the queries.",
            "nothing found",
        )
    if count < search.requested:
        log.warning(
            "source %s, class %s: %d images retrieved of %d requested; more queries may find more",
            *(search.source, search.label, count, search.requested),
        )
    # one by one, since a class may not fit into memory; an image deleted from the store meanwhile is fetched again
    return ((record, None) if record.failure else retrieve(record, store, fetcher) for record in records)
