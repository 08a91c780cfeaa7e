"""Crawl an image search for one class, with icrawler's feeder, parser and downloader threads.

The feeder asks for pages of results, the parser reads them and records images, several downloaders fetch them. What is
ours: queries take turns, so that the wanted number is spread over them; an address found twice is one candidate; every
record gets a row, whatever became of it; and the pool is decided by the order of records alone, not by which thread was
faster: it ends with the image that completes the wanted number.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

from icrawler import Crawler, Downloader, Feeder, Parser

from distillery.jobs import UserError, log, progress
from distillery.sources import bing, commons, google, openverse
from distillery.sources.fetching import Fetcher, FetchError, Limits
from distillery.sources.results import TEXTS, SearchResult, SourceBlocked
from distillery.sources.retrieval import retrieve
from distillery.storage.records import ImageRecord
from distillery.storage.store import Store

DOWNLOADERS = 8  # threads; a host gets fewer at a time, see Limits
POLL_SECONDS = 0.05  # icrawler's own defaults idle five seconds at the end of every crawl
FRUITLESS_PAGES = 2  # of a query, one after the other without a new image: its results have ended
ENGINES = {"google": google, "bing": bing, "openverse": openverse, "commons": commons}


@dataclass(frozen=True)
class Search:
    """What to ask an image search for."""

    source: str  # name
    kind: str  # of `ENGINES`
    label: str  # class
    queries: tuple[str, ...]
    wanted: int  # images to retrieve
    max_per_query: int
    filters: Mapping[str, str] = field(default_factory=dict)
    home: str = ""  # where it answers; the engine's own if empty

    @property
    def share(self) -> int:
        """Results that a query gives before it is the next one's turn."""
        return max(1, -(-self.wanted // len(self.queries)))

    def page(self, query: str, first: int) -> str:
        """The address of a page of results."""
        engine = ENGINES[self.kind]
        return engine.search_url(query, first, self.filters, self.home or engine.HOME)


def crawl(
    search: Search, limits: Limits, store: Store, loopback: int | None = None
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Crawl until enough images are retrieved or the results end.

    Args:
        search: what to ask for.
        limits: how to fetch.
        store: what was retrieved before; what is new is added at once.
        loopback: see `Fetcher`.

    Returns:
        Every record in order, with its bytes, read from the store as it is asked for, or the reason as its failure.

    Raises:
        SourceBlocked, MarkupChanged: the search gives no results to programs; what was retrieved stays in the store.
        UserError: not one image was retrieved.
    """
    results, fetcher = Results(search), Fetcher(limits, loopback)
    _Crawler(search, fetcher, store, results).crawl()
    if results.error:
        raise results.error
    if results.refusal and not results.candidates:
        raise type(results.refusal)(f"source {search.source}, class {search.label}: {results.refusal}")
    if results.refusal:
        log.warning(
            "source %s, class %s: the search stopped answering; delete the class's pool to try again later. %s",
            *(search.source, search.label, results.refusal),
        )
    records = results.records()
    count = results.retrieved()
    if not count:
        raise UserError(
            f"source {search.source}, class {search.label}: none of {len(records)} candidates could be retrieved."
            " Look at the connection to the internet, or change the queries."
        )
    if count < search.wanted:
        log.warning(
            "source %s, class %s: %d images retrieved of %d wanted; more queries may find more",
            *(search.source, search.label, count, search.wanted),
        )
    # a class's images may be more than the memory holds; one that has left the store meanwhile is fetched again
    return ((record, None) if record.failure else retrieve(record, store, fetcher) for record in records)


class Results:
    """What was candidates and what became of it, shared by the threads of a crawl."""

    def __init__(self, search: Search):
        self.search = search
        self.candidates: list[ImageRecord] = []  # by rank
        self.refusal: UserError | None = None
        self.error: BaseException | None = None  # of a thread, which has to end them all
        self.enough = threading.Event()  # nothing more is to be done
        self._rank: dict[str, int] = {}  # address → rank
        # rank → other queries that gave its address, each after how many candidates it was found
        self._others: dict[int, list[tuple[int, str]]] = {}
        self._done: dict[int, ImageRecord] = {}
        self._done_below = 0  # ranks below are all done
        self._kept: set[str] = set()  # sha256 of the settled images
        self._lock = threading.Lock()

    def add(self, result: SearchResult, query: str) -> ImageRecord | None:
        """Give a result its rank, or note another claim to an address that has one."""
        with self._lock:
            if (rank := self._rank.get(result.url)) is not None:
                if self.candidates[rank].query != query:
                    claim = (len(self.candidates), f"{self.search.label}: {query}")
                    self._others.setdefault(rank, []).append(claim)
                return None
            rank = self._rank[result.url] = len(self.candidates)
            texts = {name: getattr(result, name) for name in TEXTS}
            record = ImageRecord(
                self.search.source, self.search.label, self.search.kind, result.url, rank, query=query, url=result.url,
                declared_width=result.width, declared_height=result.height, **texts,
            )  # fmt: skip
            self.candidates.append(record)
            return record

    def knows(self, url: str) -> bool:
        """Whether an address was candidates."""
        return url in self._rank

    def mark_done(self, record: ImageRecord) -> None:
        """Note what became of a record. Ranks are counted in order, so that the end depends on no thread's speed."""
        with self._lock:
            self._done[record.rank] = record
            while len(self._kept) < self.search.wanted and (done := self._done.get(self._done_below)) is not None:
                self._done_below += 1
                if not done.failure:
                    self._kept.add(done.sha256)
            if len(self._kept) >= self.search.wanted:
                self.enough.set()

    def retrieved(self) -> int:
        """Different images so far."""
        return len(self._kept)

    def records(self) -> list[ImageRecord]:
        """Every record up to the end, with the other claims to it that were found before the end."""
        if not self.enough.is_set() and self._done_below < len(self.candidates):
            raise RuntimeError(f"nothing became of record {self._done_below} of {len(self.candidates)}")
        done = [self._done[rank] for rank in range(self._done_below)]
        return [replace(record, duplicate_queries=self._duplicate_queries(record.rank)) for record in done]

    def _duplicate_queries(self, rank: int) -> tuple[str, ...]:
        # how far the parser reads beyond the end is chance
        found = [query for found_after, query in self._others.get(rank, ()) if found_after <= self._done_below]
        return tuple(dict.fromkeys(found))

    def abort(self, error: BaseException) -> None:
        """End the crawl because a thread failed."""
        self.error = self.error or error
        self.enough.set()


# --- icrawler's threads -----------------------------------------------------------------------------------------------


class _Crawler(Crawler):
    """icrawler's pools of threads, connected; the search's honest answers instead of a browser's disguise."""

    def __init__(self, search: Search, fetcher: Fetcher, store: Store, results: Results):
        self._results = results
        shared = {"search": search, "results": results}
        pages = _Pages()
        super().__init__(
            _Feeder,
            _Parser,
            _Downloader,
            downloader_threads=DOWNLOADERS,
            extra_feeder_args=shared | {"pages": pages},
            extra_parser_args=shared | {"pages": pages, "fetcher": fetcher},
            extra_downloader_args=shared | {"store": store, "fetcher": fetcher},
        )

    def set_logger(self, log_level: int = logging.INFO) -> None:
        self.logger = logging.getLogger("distillery.icrawler")
        self.logger.setLevel(logging.CRITICAL)

    def set_storage(self, storage: Any) -> None:
        self.storage = None  # images go to the store, with their provenance

    def crawl(self) -> None:
        """Start all threads, and wait with a sign of progress."""
        for pool in (self.feeder, self.parser, self.downloader):
            pool.start()
        for _ in progress(self._waiting(), self._results.search.wanted, self._label(), "images"):
            pass

    def _label(self) -> str:
        return f"{self._results.search.source}, {self._results.search.label}"

    def _waiting(self) -> Iterator[int]:
        """A number for every image retrieved, until all threads have ended."""
        shown = 0
        while self.downloader.is_alive() or self.parser.is_alive() or self.feeder.is_alive():
            self.signal.set(feeder_exited=not self.feeder.is_alive())
            self.signal.set(parser_exited=not self.parser.is_alive(), reach_max_num=self._results.enough.is_set())
            while shown < min(self._results.retrieved(), self._results.search.wanted):
                yield shown
                shown += 1
            time.sleep(POLL_SECONDS)


class _Pages:
    """What feeder and parser know of each query: how far it was read, and results read but not yet candidates."""

    def __init__(self) -> None:
        self.read: dict[str, int] = {}  # results read
        self.waiting: dict[str, list[SearchResult]] = {}
        self.fruitless: dict[str, int] = {}
        self.ended: set[str] = set()
        self.parsed = threading.Event()


def _guarded(work: Callable[..., None]) -> Callable[..., None]:
    """A thread's work, whose failure ends the crawl: icrawler would go on without the thread and call it success."""

    @wraps(work)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            work(self, *args, **kwargs)
        except BaseException as error:  # `crawl` raises it again
            self.results.abort(error)

    return guarded


def _tasks(pool: _Parser | _Downloader, before: str) -> Iterator[dict[str, Any]]:
    """A pool's tasks, until there is enough or the pool before it has exited and left none."""
    while not pool.results.enough.is_set():
        last = pool.signal.get(before)  # asked first: what was put before an exit must still be found
        try:
            yield pool.in_queue.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if last:
                return


class _Feeder(Feeder):
    """Gives queries their turns, and asks for one page of results at a time."""

    def __init__(self, *args: Any, search: Search, results: Results, pages: _Pages):
        super().__init__(*args)
        self.search, self.results, self.pages = search, results, pages

    @_guarded
    def feed(self) -> None:
        given = dict.fromkeys(self.search.queries, 0)
        while given and not self.results.enough.is_set():
            for query in list(given):
                turn = min(self.search.share, self.search.max_per_query - given[query])
                given[query] += self._turn(query, turn)
                ended = query in self.pages.ended and not self.pages.waiting.get(query)
                if ended or given[query] >= self.search.max_per_query:
                    del given[query]
                if self.results.enough.is_set():
                    return

    def _turn(self, query: str, count: int) -> int:
        """Have the parser record `count` results of a query, reading pages as needed; how many it could."""
        pages, given = self.pages, 0
        while given < count and not self.results.enough.is_set():
            waiting = len(pages.waiting.get(query, ()))
            if not waiting and query in pages.ended:
                break
            pages.parsed.clear()
            address = "" if waiting else self.search.page(query, pages.read.get(query, 0))
            take = min(count - given, waiting) if waiting else 0
            self.output({"query": query, "address": address, "take": take, "turn": time.monotonic_ns()})
            while not pages.parsed.wait(POLL_SECONDS):
                if self.results.enough.is_set():
                    return given
            given += take
        return given


class _Parser(Parser):
    """Reads pages of results and records their images."""

    def __init__(self, *args: Any, search: Search, results: Results, pages: _Pages, fetcher: Fetcher):
        super().__init__(*args)
        self.search, self.results, self.pages, self.fetcher = search, results, pages, fetcher

    @_guarded
    def worker_exec(self, **kwargs: Any) -> None:
        for task in _tasks(self, "feeder_exited"):
            if task["address"]:
                self._read(task["query"], task["address"])
            self._record(task["query"], task["take"])
            self.pages.parsed.set()

    def _read(self, query: str, address: str) -> None:
        pages = self.pages
        try:
            answer = self.fetcher.fetch(address, accept="text/html")
            records = ENGINES[self.search.kind].parse(answer.body, answer.address)
        except FetchError as failure:
            self._refused(query, _no_results(str(failure)))
            return
        except UserError as refusal:
            self._refused(query, refusal)
            return
        pages.waiting.setdefault(query, []).extend(records)
        engine = ENGINES[self.search.kind]
        pages.read[query] = pages.read.get(query, 0) + (engine.PAGE if engine.STEADY else max(len(records), 1))
        new = any(not self.results.knows(result.url) for result in records)
        pages.fruitless[query] = 0 if new else pages.fruitless.get(query, 0) + 1
        if not records or pages.fruitless[query] >= FRUITLESS_PAGES:
            pages.ended.add(query)

    def _refused(self, query: str, refusal: UserError) -> None:
        """A refused query ends; a block ends them all, since the next would be refused as well."""
        self.results.refusal = refusal
        self.pages.ended.update(self.search.queries if isinstance(refusal, SourceBlocked) else [query])

    def _record(self, query: str, count: int) -> None:
        waiting = self.pages.waiting.get(query, [])
        for result in waiting[:count]:
            if record := self.results.add(result, query):
                self._hand_over(record)
        del waiting[:count]

    def _hand_over(self, record: ImageRecord) -> None:
        for attempt in itertools.count():
            if self.results.enough.is_set():
                return
            try:
                # a number for each attempt: icrawler's queue drops a task it has seen, also one it had no room for
                self.output({"rank": record.rank, "attempt": attempt}, timeout=POLL_SECONDS)
                return
            except queue.Full:
                continue


def _no_results(reason: str) -> UserError:
    return UserError(
        f"the search did not answer ({reason}). Look at the connection to the internet and run again; what was"
        " retrieved is kept."
    )


class _Downloader(Downloader):
    """Fetches images, or takes them from the store."""

    def __init__(self, *args: Any, search: Search, results: Results, store: Store, fetcher: Fetcher):
        super().__init__(*args)
        self.results, self.store, self.fetcher = results, store, fetcher

    def start(self, *args: Any, **kwargs: Any) -> None:
        self.init_workers()
        for worker in self.workers:
            worker.start()

    @_guarded
    def worker_exec(self, **kwargs: Any) -> None:
        for task in _tasks(self, "parser_exited"):
            record = self.results.candidates[task["rank"]]
            self.results.mark_done(retrieve(record, self.store, self.fetcher)[0])


def search_of(
    source: Mapping[str, Any], name: str, label: str, queries: Sequence[str], imitated: bool = False
) -> Search:
    """The search for one class of a source of the configuration.

    Args:
        source: as configured, of a kind in `ENGINES`.
        name: the source's name.
        label: the class.
        queries: what to ask for.
        imitated: ask the imitation under .test (see `Fetcher`), not the internet.
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
