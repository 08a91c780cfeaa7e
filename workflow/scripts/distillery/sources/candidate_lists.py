"""Retrieve the images of a list of candidates that is known as a whole: of a user's addresses, or of saved pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from distillery.jobs import log, progress
from distillery.parallel import DaemonThreads, ordered
from distillery.sources.engines.results import TEXTS, SearchResult
from distillery.sources.failures import NO_ANSWER
from distillery.sources.fetching import Fetcher
from distillery.sources.retrieval import retrieve
from distillery.storage.records import ImageRecord
from distillery.storage.refusals import Refusal
from distillery.storage.store import Store

THREADS = 8  # each host has fewer connections at a time, see Limits


def retrieve_in_order(
    records: Sequence[ImageRecord], requested: int, store: Store, fetcher: Fetcher, where: str, advice: str
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Retrieve images in the order of their candidates, until there are enough.

    Args:
        records: the candidates, by rank.
        requested: number of different images.
        store: what was retrieved before; new images are added at once.
        fetcher: fetches the others.
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
        entries = ordered(threads, fetch, records, ahead=2 * THREADS)
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


def candidate(source: str, label: str, kind: str, rank: int, result: SearchResult, query: str) -> ImageRecord:
    """The candidate of a result; its rank is its place among those of the class, from 0."""
    texts = {name: getattr(result, name) for name in TEXTS}
    return ImageRecord(
        source, label, kind, result.url, rank, query=query, url=result.url, declared_width=result.width,
        declared_height=result.height, **texts,
    )  # fmt: skip
