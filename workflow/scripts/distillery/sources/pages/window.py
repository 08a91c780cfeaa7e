"""A search in a browser's window: opens it, scrolls at a person's pace, and reads what the page received."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from distillery.jobs import log, one_line
from distillery.sources.engines.google import block_of, results_in, unreadable
from distillery.sources.engines.results import MarkupChanged, SearchResult, SourceBlocked
from distillery.storage.retrieved.refusals import Refusal

# keeps the bodies of the requests that the page makes from now on; they hold the results that follow on scrolling
LISTEN = """
if (!window.distilleryBodies) {
  const bodies = window.distilleryBodies = [];
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...values) {
    this.addEventListener("load", () => {
      if (this.responseType === "" || this.responseType === "text") bodies.push(this.responseText);
    });
    return send.apply(this, values);
  };
  const fetch = window.fetch;
  window.fetch = (...values) => fetch(...values).then((response) => {
    response.clone().text().then((text) => bodies.push(text)).catch(() => {});
    return response;
  });
}
"""
TAKE = "return (window.distilleryBodies || []).splice(0)"
SCROLL = "window.scrollBy({top: arguments[0] * window.innerHeight, behavior: 'smooth'})"
AT_END = "return window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 4"
IDLE_STEPS = 4  # at the end of the page without a new result, after which there are no more
MOST_STEPS = 400  # of scrolling


class WindowClosed(Refusal):
    """The person closed the window, or the browser ended."""


@dataclass(frozen=True)
class PageTimes:
    """How long to wait in a window, in seconds.

    Attributes:
        step: between two movements of the page, on average.
        patience: for the person at a captcha or consent page; 0 gives up at once.
        poll: between two looks while waiting.
    """

    step: float = 1.6
    patience: float = 600.0
    poll: float = 1.0


class SearchWindow:
    """A browser's window in which a search is read.

    Args:
        driver: Selenium's.
        times: see `PageTimes`.
        where: the source and class, for messages.
    """

    def __init__(self, driver: Any, times: PageTimes, where: str):
        self.driver, self.times, self.where = driver, times, where

    def results(self, url: str, most: int) -> Iterator[SearchResult]:
        """The results of a search in order, until there are `most` or nothing new comes.

        Args:
            url: of the search.
            most: results.

        Raises:
            SourceBlocked: a captcha or consent page that nobody answered in time.
            MarkupChanged: the page is full of images in no known form.
            WindowClosed: the window is gone. What was yielded before is good.
        """
        from selenium.common.exceptions import WebDriverException
        from urllib3.exceptions import HTTPError

        try:
            yield from self._results(url, most)
        except (WebDriverException, HTTPError, ConnectionError) as error:
            raise WindowClosed(
                f"the browser's window is closed or does not answer ({one_line(error, 100)}). Run again to open it.",
                "window closed",
            ) from error

    def _results(self, url: str, most: int) -> Iterator[SearchResult]:
        rng = random.Random(url)  # no two steps alike, but the same steps every time
        known: set[str] = set()
        self.driver.get(url)
        found, idle = self._first_results(url), 0
        for _ in range(MOST_STEPS):
            new = [result for result in found if result.url not in known]
            for result in new[: most - len(known)]:
                known.add(result.url)
                yield result
            idle = 0 if new else idle + bool(self.driver.execute_script(AT_END))
            if len(known) >= most or idle >= IDLE_STEPS:
                return
            self.driver.execute_script(SCROLL, rng.uniform(0.6, 1.1))
            time.sleep(self.times.step * rng.uniform(0.6, 1.4))
            found = self._received(url)

    def _first_results(self, url: str) -> list[SearchResult]:
        """The results on the page as it is opened, once the person has answered what stands before it."""
        deadline, told = time.monotonic() + self.times.patience, ""
        while True:
            page, address = self.driver.page_source, self.driver.current_url
            self.driver.execute_script(LISTEN)
            if found := results_in(page):
                return found
            reason = block_of(page, address)
            if not reason and told:  # answered, but led elsewhere
                told = ""
                self.driver.get(url)
            elif not reason:
                if problem := unreadable(page):
                    raise MarkupChanged(f"Google's page has {problem}, also in a browser. Save pages as HAR (`saved`).")
                return []
            elif time.monotonic() >= deadline:
                raise self._unanswered(reason, bool(told))
            elif reason != told:
                told, minutes = reason, self.times.patience / 60
                log.warning(
                    "%s: Google shows a %s in the browser's window. Answer it there; the crawl waits up to %g minutes.",
                    *(self.where, reason, minutes),
                )
            else:
                time.sleep(self.times.poll)

    def _unanswered(self, reason: str, waited: bool) -> SourceBlocked:
        after = f" and nobody answered it within {self.times.patience / 60:g} minutes" if waited else ""
        return SourceBlocked(
            f"Google shows a {reason} in the browser{after}. Crawl with a window (no `headless`) and answer there,"
            " or save the pages yourself (`saved`).",
            reason,
        )

    def _received(self, url: str) -> list[SearchResult]:
        """The results in what the page has received since the last look; waits for the person if it was blocked."""
        bodies = self.driver.execute_script(TAKE)
        if found := [result for body in bodies for result in results_in(str(body))]:
            return found
        page = self.driver.page_source
        return results_in(page) or (self._first_results(url) if block_of(page, self.driver.current_url) else [])
