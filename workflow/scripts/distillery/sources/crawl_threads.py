"""Crawl a search with icrawler's threads: a feeder, a parser and several downloaders.

The feeder requests pages of results, the parser reads them and ranks candidates, the downloaders retrieve the images.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from icrawler import Crawler, Downloader, Feeder, Parser

from distillery.jobs import progress
from distillery.sources.engines import ENGINES
from distillery.sources.engines.results import SearchResult, SourceBlocked
from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Fetcher
from distillery.sources.retrieval import retrieve
from distillery.sources.search import Candidates
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store

DOWNLOADERS = 8  # threads; each host has fewer connections at a time, see Limits
LAST_SECONDS = 0.25  # wait for threads to end once there are enough images; threads without an open request do
POLL_SECONDS = 0.05  # with icrawler's own defaults, every crawl idles for five seconds at its end
FRUITLESS_PAGES = 2  # consecutive pages without a new image after which a query has no more results


class ImageCrawler(Crawler):
    """icrawler's crawler with our own feeder, parser and downloader, which fetch with our own user agent."""

    def __init__(self, candidates: Candidates, fetcher: Fetcher, store: Store):
        self._candidates = candidates
        shared = {"candidates": candidates}
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
        """Start all threads, and show progress until there are enough images or all threads have ended.

        Once there are enough images, threads that still wait for a server are left to end with the process.
        """
        for pool in (self.feeder, self.parser, self.downloader):
            pool.start()
        search = self._candidates.search
        for _ in progress(self._images(), search.requested, f"{search.source}, {search.label}", "images"):
            pass
        end = time.monotonic() + LAST_SECONDS
        for worker in [*self.feeder.workers, *self.parser.workers, *self.downloader.workers]:
            worker.join(max(0.0, end - time.monotonic()))

    def _images(self) -> Iterator[int]:
        """Yield a number for each image retrieved, until there are enough or all threads have ended."""
        shown, going = 0, True
        while going:
            going = self.downloader.is_alive() or self.parser.is_alive() or self.feeder.is_alive()
            self.signal.set(feeder_exited=not self.feeder.is_alive(), parser_exited=not self.parser.is_alive())
            going = going and not self._candidates.enough.wait(POLL_SECONDS)
            self._candidates.leave_out_late()
            while shown < min(self._candidates.retrieved(), self._candidates.search.requested):
                yield shown
                shown += 1


class _Pages:
    """The state of each query, which the feeder and the parser share."""

    def __init__(self) -> None:
        self.read: dict[str, int] = {}  # query → number of results read
        self.waiting: dict[str, list[SearchResult]] = {}  # query → results read that are not yet candidates
        self.fruitless: dict[str, int] = {}  # query → consecutive pages without a new image
        self.ended: set[str] = set()  # queries without further results
        self.parsed = threading.Event()  # the parser has finished the feeder's last task


def _guarded(work: Callable[..., None]) -> Callable[..., None]:
    """Make an error in a thread end the crawl; icrawler itself would continue without the thread and report success."""

    @wraps(work)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            work(self, *args, **kwargs)
        except BaseException as error:  # `crawl` raises it again
            self.candidates.abort(error)

    return guarded


def _tasks(pool: _Parser | _Downloader, before: str) -> Iterator[dict[str, Any]]:
    """A pool's tasks, until there are enough images, or the pool before it has exited and its tasks are done."""
    while not pool.candidates.enough.is_set():
        last = pool.signal.get(before)  # read before the queue, so that a task put just before the exit is not lost
        try:
            yield pool.in_queue.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if last:
                return


class _Feeder(Feeder):
    """Takes the queries in turn, and requests one page of results at a time."""

    def __init__(self, *args: Any, candidates: Candidates, pages: _Pages):
        super().__init__(*args)
        self.search, self.candidates, self.pages = candidates.search, candidates, pages

    @_guarded
    def feed(self) -> None:
        given = dict.fromkeys(self.search.queries, 0)  # results that each query gave
        while given and not self.candidates.enough.is_set():
            for query in list(given):
                turn = min(self.search.turn, self.search.max_per_query - given[query])
                given[query] += self._turn(query, turn)
                ended = query in self.pages.ended and not self.pages.waiting.get(query)
                if ended or given[query] >= self.search.max_per_query:
                    del given[query]
                if self.candidates.enough.is_set():
                    return

    def _turn(self, query: str, count: int) -> int:
        """Let the parser rank up to `count` more results of a query, from new pages if needed; returns their number."""
        pages, given = self.pages, 0
        while given < count and not self.candidates.enough.is_set():
            waiting = len(pages.waiting.get(query, ()))
            if not waiting and query in pages.ended:
                break
            pages.parsed.clear()
            url = "" if waiting else self.search.page_url(query, pages.read.get(query, 0))
            take = min(count - given, waiting) if waiting else 0
            self.output({"query": query, "url": url, "take": take, "turn": time.monotonic_ns()})
            while not pages.parsed.wait(POLL_SECONDS):
                if self.candidates.enough.is_set():
                    return given
            given += take
        return given


class _Parser(Parser):
    """Reads pages of results and ranks their images."""

    def __init__(self, *args: Any, candidates: Candidates, pages: _Pages, fetcher: Fetcher):
        super().__init__(*args)
        self.search, self.candidates, self.pages, self.fetcher = candidates.search, candidates, pages, fetcher

    @_guarded
    def worker_exec(self, **kwargs: Any) -> None:
        for task in _tasks(self, "feeder_exited"):
            if task["url"]:
                self._read(task["query"], task["url"])
            self._rank(task["query"], task["take"])
            self.pages.parsed.set()

    def _read(self, query: str, url: str) -> None:
        engine, pages = ENGINES[self.search.kind], self.pages
        try:
            response = self.fetcher.fetch_page(url)
            results = engine.parse(response.body, response.url)
        except FetchError as failure:
            self._refused(query, no_answer(str(failure)))
            return
        except Refusal as refusal:
            self._refused(query, refusal)
            return
        pages.waiting.setdefault(query, []).extend(results)
        pages.read[query] = pages.read.get(query, 0) + (engine.PAGE if engine.STEADY else max(len(results), 1))
        new = any(not self.candidates.knows(result.url) for result in results)
        pages.fruitless[query] = 0 if new else pages.fruitless.get(query, 0) + 1
        if not results or pages.fruitless[query] >= FRUITLESS_PAGES:
            pages.ended.add(query)

    def _refused(self, query: str, refusal: Refusal) -> None:
        """End a query that was refused; end all queries after a block, since the next would be refused as well."""
        self.candidates.refusal = refusal
        self.pages.ended.update(self.search.queries if isinstance(refusal, SourceBlocked) else [query])

    def _rank(self, query: str, count: int) -> None:
        waiting = self.pages.waiting.get(query, [])
        for result in waiting[:count]:
            if record := self.candidates.add(result, query):
                self._hand_over(record)
        del waiting[:count]

    def _hand_over(self, record: ImageRecord) -> None:
        for attempt in itertools.count():
            if self.candidates.enough.is_set():
                return
            try:
                # a new number each time: icrawler's queue drops a task that it saw before, even if it was full then
                self.output({"rank": record.rank, "attempt": attempt}, timeout=POLL_SECONDS)
                return
            except queue.Full:
                continue


def no_answer(reason: str) -> Refusal:
    """The refusal of a search that did not answer; `reason` as in `FetchError`."""
    if reason.endswith("HTTP 429"):
        return SourceBlocked(
            "the search's quota for programs is used up (HTTP 429). Run again tomorrow, or lower the number of images;"
            " what was retrieved is kept.",
            "quota used up",
        )
    return Refusal(
        f"the search did not answer ({reason}). Check the connection to the internet and run again; what was"
        " retrieved is kept.",
        "unreachable",
    )


class _Downloader(Downloader):
    """Fetches images, or takes them from the store."""

    def __init__(self, *args: Any, candidates: Candidates, store: Store, fetcher: Fetcher):
        super().__init__(*args)
        self.candidates, self.store, self.fetcher = candidates, store, fetcher

    def start(self, *args: Any, **kwargs: Any) -> None:
        self.init_workers()
        for worker in self.workers:
            worker.start()

    @_guarded
    def worker_exec(self, **kwargs: Any) -> None:
        for task in _tasks(self, "parser_exited"):
            record = self.candidates.found[task["rank"]]
            self.candidates.mark_done(retrieve(record, self.store, self.fetcher)[0])
