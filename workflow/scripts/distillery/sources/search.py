"""One search for the images of a class, and the candidates that it has found."""

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
    """What to ask an image search for."""

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
        """Results that a query gives before the next query has its turn."""
        return max(1, -(-self.requested // len(self.queries)))

    def page_url(self, query: str, first: int) -> str:
        """The URL of the page that follows the `first` results of a query."""
        engine = ENGINES[self.kind]
        return engine.search_url(query, first, self.filters, self.home or engine.HOME)


def require_contact(kind: str, contact: str, name: str) -> None:
    """Check that a search knows whom to reach, if it refuses programs that do not say so.

    Raises:
        Refusal: it is Wikimedia Commons, and the study has no contact.
    """
    if kind == "commons" and not contact:
        raise Refusal(f"source {name}: Wikimedia wants your address or page. Give it as `contact`.", "no contact")


def search_of(
    source: Mapping[str, Any], name: str, label: str, queries: Sequence[str], imitated: bool = False
) -> Search:
    """The search for one class of a configured source.

    Args:
        source: as configured, of a kind in `ENGINES`.
        name: the source's name.
        label: the class.
        queries: what to search for.
        imitated: ask the imitation under .test (see `connect`), not the internet.
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


GRACE_SECONDS = 3.0  # that late candidates are given when enough others have arrived
LATE = "not retrieved: later than enough others"


class Candidates:
    """The candidates of a search and what became of them, shared by the threads of a crawl.

    The pool ends with the candidate that completes the requested number, in order of rank: no thread's speed matters,
    unless a server is so late that enough others have long arrived.
    """

    def __init__(self, search: Search):
        self.search = search
        self.found: list[ImageRecord] = []  # by rank
        self.refusal: Refusal | None = None  # of the search
        self.error: BaseException | None = None  # of a thread; ends the crawl
        self.enough = threading.Event()  # nothing more is to be done
        self._rank: dict[str, int] = {}  # URL → rank
        # rank → other queries that gave its URL, each after how many candidates it was found
        self._others: dict[int, list[tuple[int, str]]] = {}
        self._done: dict[int, ImageRecord] = {}
        self._done_below = 0  # lower ranks are all done
        self._kept: set[str] = set()  # sha256 of the images below that rank
        self._arrived: set[str] = set()  # sha256 of all images, whatever their rank
        self._complete = 0.0  # when enough images had arrived, by `time.monotonic`; 0 before
        self._lock = threading.Lock()

    def add(self, result: SearchResult, query: str) -> ImageRecord | None:
        """Rank a result with a new URL; of a known URL, note the query and return None."""
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
        """Note what became of a candidate, and count images in order of rank."""
        with self._lock:
            self._note(record)

    def leave_out_late(self) -> None:
        """Leave out candidates that are still waited for `GRACE_SECONDS` after enough others have arrived."""
        with self._lock:
            if not self._complete or time.monotonic() - self._complete < GRACE_SECONDS:
                return
            while not self.enough.is_set():
                self._note(replace(self.found[self._done_below], failure=LATE))

    def _note(self, record: ImageRecord) -> None:
        if self._done.setdefault(record.rank, record) is record:  # one that was late has its outcome already
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
        """Every record up to the end of the pool, with the other queries that gave its URL before that end."""
        if not self.enough.is_set() and self._done_below < len(self.found):
            raise RuntimeError(f"candidate {self._done_below} of {len(self.found)} was never done")
        done = [self._done[rank] for rank in range(self._done_below)]
        return [replace(record, duplicate_queries=self._duplicate_queries(record.rank)) for record in done]

    def _duplicate_queries(self, rank: int) -> tuple[str, ...]:
        # how far the parser reads beyond the end of the pool depends on chance
        queries = [query for found_after, query in self._others.get(rank, ()) if found_after <= self._done_below]
        return tuple(dict.fromkeys(queries))

    def abort(self, error: BaseException) -> None:
        """End the crawl because a thread failed; after its end, nobody waits for the thread."""
        with self._lock:
            if not self.enough.is_set():
                self.error = error
                self.enough.set()
