"""Crawl an image search for the images of one class.

Queries take turns, so that the requested number is spread over them. A URL found twice is one candidate. Every
candidate has a record, whatever became of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from distillery.jobs import UserError, log
from distillery.sources.crawl_threads import ImageCrawler
from distillery.sources.fetching import Fetcher, Limits
from distillery.sources.retrieval import retrieve
from distillery.sources.search import Candidates, Search
from distillery.storage.records import ImageRecord
from distillery.storage.store import Store


def crawl(
    search: Search, limits: Limits, store: Store, loopback: int | None = None
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Crawl until enough images are retrieved or the results end.

    Args:
        search: what to search for.
        limits: how to fetch.
        store: what was retrieved before; new images are added at once.
        loopback: see `GuardedAdapter`.

    Returns:
        Every record in order, with its bytes, or None if it has a failure. The iterator reads them from the store.

    Raises:
        SourceBlocked, MarkupChanged: the search gives programs no results; the store keeps what was retrieved.
        UserError: not one image was retrieved.
    """
    candidates, fetcher = Candidates(search), Fetcher(limits, loopback)
    ImageCrawler(candidates, fetcher, store).crawl()
    if candidates.error:
        raise candidates.error
    if candidates.refusal and not candidates.found:
        raise type(candidates.refusal)(f"source {search.source}, class {search.label}: {candidates.refusal}")
    if candidates.refusal:
        log.warning(
            "source %s, class %s: the search stopped answering; delete the class's pool to try again later. %s",
            *(search.source, search.label, candidates.refusal),
        )
    records = candidates.records()
    count = candidates.retrieved()
    if not count:
        raise UserError(
            f"source {search.source}, class {search.label}: none of {len(records)} candidates could be retrieved."
            " Check the connection to the internet, or change the queries."
        )
    if count < search.requested:
        log.warning(
            "source %s, class %s: %d images retrieved of %d requested; more queries may find more",
            *(search.source, search.label, count, search.requested),
        )
    # one by one, as a class may exceed the memory; an image that has left the store meanwhile is fetched again
    return ((record, None) if record.failure else retrieve(record, store, fetcher) for record in records)
