"""Run a search in a browser's window: open it, scroll at a person's pace, and read what the page receives."""

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

# keeps the responses to the page's requests from now on; they hold the further results that scrolling loads
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
IDLE_STEPS = 4  # steps at the end of the page without a new result, after which the search has no more
MOST_STEPS = 400  # steps of scrolling


class WindowClosed(Refusal):
    """The user closed the window, or the browser ended."""


@dataclass(frozen=True)
class PageTimes:
    """How long to wait in a window, in seconds.

    Attributes:
        step: between two steps of scrolling, on average.
        patience: for the user to answer a captcha or consent page; with 0, the search gives up at once.
        poll: between two checks while waiting for the user.
    """

    step: float = 1.6
    patience: float = 600.0
    poll: float = 1.0


class SearchWindow:
    """A browser's window with a search.

    Args:
        driver: Selenium's.
        times: see `PageTimes`.
        where: the source and class, for messages.
    """

    def __init__(self, driver: Any, times: PageTimes, where: str):
        self.driver, self.times, self.where = driver, times, where

    def results(self, url: str, most: int) -> Iterator[SearchResult]:
        """Yield the results of a search in order, until there are `most` or no new ones appear.

        Args:
            url: of the search.
            most: maximum number of results.

        Raises:
            SourceBlocked: the user did not answer a captcha or consent page in time.
            MarkupChanged: the page is full of images in an unknown format.
            WindowClosed: the window is closed. Results yielded before are valid.
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
        rng = random.Random(url)  # steps vary, but are the same in every run
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
        """The results on the page as it opens, after the user has answered a captcha or consent page in front of it."""
        deadline, reported = time.monotonic() + self.times.patience, ""
        while True:
            page, address = self.driver.page_source, self.driver.current_url
            self.driver.execute_script(LISTEN)
            if found := results_in(page):
                return found
            reason = block_of(page, address)
            if not reason and reported:  # the user's answer led to another page
                reported = ""
                self.driver.get(url)
            elif not reason:
                if problem := unreadable(page):
                    raise MarkupChanged(f"Google's page has {problem}, also in a browser. Save pages as HAR (`saved`).")
                return []
            elif time.monotonic() >= deadline:
                raise self._unanswered(reason, bool(reported))
            elif reason != reported:
                reported, minutes = reason, self.times.patience / 60
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
        """The results that the page has received since the last call; waits for the user if the page is blocked."""
        bodies = self.driver.execute_script(TAKE)
        if found := [result for body in bodies for result in results_in(str(body))]:
            return found
        page = self.driver.page_source
        return results_in(page) or (self._first_results(url) if block_of(page, self.driver.current_url) else [])
