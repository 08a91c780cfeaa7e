"""Define a search for the images of a class, and collect the candidates that it finds."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from distillery.sources.engines import ENGINES
from distillery.sources.engines.results import TEXTS, SearchResult
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import Refusal


@dataclass(frozen=True)
class Search:
    """A search for the images of one class: where, with which queries, and how many images."""

    source: str  # name
    kind: str  # of `ENGINES`
    label: str  # class
    queries: tuple[str, ...]
    requested: int  # images to retrieve
    max_per_query: int
    filters: Mapping[str, str] = field(default_factory=dict)
    home: str = ""  # start of its URLs; the engine's own if empty

    @property
    def turn(self) -> int:
        """Number of results to take from a query before the next query has its turn."""
        return max(1, -(-self.requested // len(self.queries)))

    def page_url(self, query: str, first: int) -> str:
        """The URL of the page that follows the `first` results of a query."""
        engine = ENGINES[self.kind]
        return engine.search_url(query, first, self.filters, self.home or engine.HOME)


def require_contact(kind: str, contact: str, name: str) -> None:
    """Check that the study has a contact, if the search refuses programs without one.

    Raises:
        Refusal: it is Wikimedia Commons, and the study has no contact.
    """
    if kind == "commons" and not contact:
        raise Refusal(
            f"source {name}: Wikimedia refuses programs without a contact. Give your e-mail address or page as"
            " `contact`.",
            "no contact",
        )


def search_of(
    source: Mapping[str, Any], name: str, label: str, queries: Sequence[str], imitated: bool = False
) -> Search:
    """The search for one class of a configured source.

    Args:
        source: as configured, of a kind in `ENGINES`.
        name: the source's name.
        label: the class.
        queries: what to search for.
        imitated: use the imitated search under .test (see `connect`) instead of the internet.
    """
    return Search(
        name,
        source["kind"],
        label,
        tuple(queries),
        source["per_class"],
        source["max_per_query"],
        source.get("filters", {}),
        f"http://www.{source['kind']}.test" if imitated else "",
    )


GRACE_SECONDS = 3.0  # how long to wait for late candidates once enough others have arrived
LATE = "not retrieved: later than enough others"


class Candidates:
    """The candidates of a search and their outcomes, shared by the threads of a crawl.

    The pool ends with the candidate, in order of rank, that completes the requested number. So the result does not
    depend on the speed of threads, except that a candidate is left out if it is `GRACE_SECONDS` later than enough
    others.
    """

    def __init__(self, search: Search):
        self.search = search
        self.found: list[ImageRecord] = []  # by rank
        self.refusal: Refusal | None = None  # of the search
        self.error: BaseException | None = None  # in a thread; ends the crawl
        self.enough = threading.Event()  # there are enough images, or an error: all threads stop
        self._rank: dict[str, int] = {}  # URL → rank
        # rank → other queries that found its URL, each with the number of candidates found before
        self._others: dict[int, list[tuple[int, str]]] = {}
        self._done: dict[int, ImageRecord] = {}  # rank → record with the outcome
        self._done_below = 0  # all lower ranks are done
        self._kept: set[str] = set()  # SHA-256 of the images below that rank
        self._arrived: set[str] = set()  # SHA-256 of all images, whatever their rank
        self._complete = 0.0  # `time.monotonic` when enough images had arrived; 0 before
        self._lock = threading.Lock()

    def add(self, result: SearchResult, query: str) -> ImageRecord | None:
        """Add a result as a candidate and return its record; if its URL is known, note the query and return None."""
        with self._lock:
            if (rank := self._rank.get(result.url)) is not None:
                if self.found[rank].query != query:
                    other = (len(self.found), f"{self.search.label}: {query}")
                    self._others.setdefault(rank, []).append(other)
                return None
            rank = self._rank[result.url] = len(self.found)
            texts = {name: getattr(result, name) for name in TEXTS}
            record = ImageRecord(
                self.search.source, self.search.label, self.search.kind, result.url, rank, query=query, url=result.url,
                declared_width=result.width, declared_height=result.height, **texts,
            )  # fmt: skip
            self.found.append(record)
            return record

    def knows(self, url: str) -> bool:
        """Whether a URL has a rank."""
        return url in self._rank

    def mark_done(self, record: ImageRecord) -> None:
        """Record the outcome of a candidate, and count images in order of rank."""
        with self._lock:
            self._note(record)

    def leave_out_late(self) -> None:
        """Leave out candidates that have not arrived `GRACE_SECONDS` after enough others have."""
        with self._lock:
            if not self._complete or time.monotonic() - self._complete < GRACE_SECONDS:
                return
            while not self.enough.is_set():
                self._note(replace(self.found[self._done_below], failure=LATE))

    def _note(self, record: ImageRecord) -> None:
        if self._done.setdefault(record.rank, record) is record:  # a late candidate has its outcome already
            if not record.failure:
                self._arrived.add(record.sha256)
            if len(self._arrived) >= self.search.requested:
                self._complete = self._complete or time.monotonic()
            while len(self._kept) < self.search.requested and (done := self._done.get(self._done_below)) is not None:
                self._done_below += 1
                if not done.failure:
                    self._kept.add(done.sha256)
            if len(self._kept) >= self.search.requested:
                self.enough.set()

    def retrieved(self) -> int:
        """Number of different images so far."""
        return len(self._kept)

    def records(self) -> list[ImageRecord]:
        """Every record up to the end of the pool, with the other queries that found its URL before that end."""
        if not self.enough.is_set() and self._done_below < len(self.found):
            raise RuntimeError(f"candidate {self._done_below} of {len(self.found)} was never done")
        done = [self._done[rank] for rank in range(self._done_below)]
        return [replace(record, duplicate_queries=self._duplicate_queries(record.rank)) for record in done]

    def _duplicate_queries(self, rank: int) -> tuple[str, ...]:
        # leave out what the parser read after the end of the pool, since that depends on timing
        queries = [query for found_after, query in self._others.get(rank, ()) if found_after <= self._done_below]
        return tuple(dict.fromkeys(queries))

    def abort(self, error: BaseException) -> None:
        """End the crawl because a thread failed; has no effect once the crawl has ended."""
        with self._lock:
            if not self.enough.is_set():
                self.error = error
                self.enough.set()
