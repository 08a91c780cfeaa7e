"""Retrieve images from a complete list of candidates: the user's URLs, or the results in pages of a search."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial
from itertools import islice

from distillery.jobs import log, progress
from distillery.parallel import DaemonThreads
from distillery.sources.engines.results import TEXTS, SearchResult
from distillery.sources.network.failures import NO_ANSWER
from distillery.sources.network.fetching import Fetcher
from distillery.sources.retrieval import retrieve
from distillery.sources.search import GRACE_SECONDS, LATE
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store

Entry = tuple[ImageRecord, bytes | None]
THREADS = 8  # each host has fewer connections at a time, see Limits
MOST_WAITING = 8 * THREADS  # images in memory while an earlier one is still being fetched
POLL_SECONDS = 0.05


def retrieve_in_order(
    records: Sequence[ImageRecord], requested: int, store: Store, fetcher: Fetcher, where: str, advice: str
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Retrieve images in the order of their candidates, until there are enough.

    Args:
        records: the candidates, by rank.
        requested: number of different images.
        store: images retrieved before; new images are added at once.
        fetcher: fetches the images that the store lacks.
        where: the source and class, for messages.
        advice: what to check if there is no image at all.

    Yields:
        Every record tried, with the image's bytes, or None if the record has a failure.

    Raises:
        Refusal: no candidate gave an image.
    """
    fetch = partial(retrieve, store=store, fetcher=fetcher)
    different: set[str] = set()  # sha256
    failures: set[str] = set()
    with DaemonThreads(THREADS) as threads:
        entries = _until_late(threads, fetch, records, different, requested)
        for record, data in progress(entries, len(records), where, "images"):
            yield record, data
            different |= {record.sha256} if data else set()
            failures |= {record.failure} if record.failure else set()
            if len(different) >= requested:
                break
    if not different:
        raise Refusal(
            f"{where}: none of {len(records)} addresses gave an image. Check the connection to the internet and"
            f" {advice}.",
            "unreachable" if failures <= NO_ANSWER else "nothing found",
        )
    if len(different) < requested:
        log.warning("%s: %d images of %d requested", where, len(different), requested)


def _until_late(
    threads: DaemonThreads,
    fetch: Callable[[ImageRecord], Entry],
    records: Sequence[ImageRecord],
    different: set[str],
    requested: int,
) -> Iterator[Entry]:
    """Entries in order; one that is late is left out once enough others have arrived.

    The caller adds the SHA-256 of each image that it has got to `different`.
    """
    upcoming = iter(records)
    waiting: deque[tuple[ImageRecord, Future[Entry]]] = deque()
    while True:
        running = sum(not future.done() for _, future in waiting)
        for record in islice(upcoming, min(2 * THREADS - running, MOST_WAITING - len(waiting))):
            waiting.append((record, threads.submit(fetch, record)))
        if not waiting:
            return
        record, future = waiting[0]
        complete = 0.0
        while not future.done() and (not complete or time.monotonic() - complete < GRACE_SECONDS):
            wait([future], timeout=POLL_SECONDS)
            arrived = {done.result()[0].sha256 for _, done in waiting if done.done() and not done.exception()} - {""}
            if len(different | arrived) >= requested:
                complete = complete or time.monotonic()
            elif len(waiting) < MOST_WAITING:
                break  # to start further candidates in the meantime
        if future.done() or complete:
            waiting.popleft()
            yield future.result() if future.done() else (replace(record, failure=LATE), None)


def candidate(source: str, label: str, kind: str, rank: int, result: SearchResult, query: str) -> ImageRecord:
    """The candidate record of a search result; `rank` is its position among the candidates of the class, from 0."""
    texts = {name: getattr(result, name) for name in TEXTS}
    return ImageRecord(
        source, label, kind, result.url, rank, query=query, url=result.url, declared_width=result.width,
        declared_height=result.height, **texts,
    )  # fmt: skip
