"""Fetch URLs: politely, within limits, and never from inside the user's own network.

Redirects are followed one by one, each through a checked connection. Proxies from the environment are not used, since
they resolve names themselves. No cookies are kept.
"""

from __future__ import annotations

import http.client
import random
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from distillery import __version__
from distillery.jobs import one_line
from distillery.sources.network import headers
from distillery.sources.network.budget import Budget, TooManyBytes
from distillery.sources.network.exchange import Client, Target, body_of, decoded
from distillery.sources.network.failures import FetchError, PassingError, fetch_error
from distillery.sources.network.hosts import LONGEST_WAIT_SECONDS, HostQuiet, Hosts
from distillery.storage.urls import is_http_url, quote_url

AGENT = f"Distillery/{__version__}"
MAX_REDIRECTS = 5
FIRST_WAIT_SECONDS = 0.5  # before the first retry; doubled before each further one
BUSY = (429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
PAGE_BYTES = 5_000_000  # maximum size of a page of results


@dataclass(frozen=True)
class Limits:
    """Limits of fetching, and the contact of the user."""

    connections_per_host: int
    timeout_seconds: float  # for one request, redirects and body included
    max_bytes: int  # of a body, both as sent and after decompression
    retries: int
    contact: str  # of the user, sent with every request

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Limits:
        """The limits among a source's keys."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in source.items() if key in known})

    @property
    def agent(self) -> str:
        """The User-Agent header: one line of printable ASCII, other characters as %XX."""
        contact = quote(one_line(self.contact), safe=string.punctuation + " ", errors="replace")
        return f"{AGENT} ({contact})" if contact else AGENT


@dataclass(frozen=True)
class Response:
    """A successful response."""

    body: bytes
    url: str  # after redirects
    content_type: str


class Fetcher:
    """Fetches URLs for several threads.

    Args:
        limits: see `Limits`.
        loopback: see `connect`.
    """

    def __init__(self, limits: Limits, loopback: int | None = None):
        self.limits = limits
        self._hosts = Hosts(limits.connections_per_host)
        self._client = Client(loopback)

    def fetch_page(self, url: str) -> Response:
        """Fetch a page of results of a search; raises as `fetch`."""
        return self.fetch(url, accept="text/html", max_bytes=min(PAGE_BYTES, self.limits.max_bytes))

    def fetch(
        self, url: str, accept: str = "*/*", max_bytes: int | None = None, form: Mapping[str, str] | None = None
    ) -> Response:
        """Fetch a URL; retry a request after a temporary failure.

        Args:
            url: any text; text that is not an http URL raises a FetchError.
            accept: the Accept header.
            max_bytes: used instead of `Limits.max_bytes`.
            form: values to POST; None for a GET. A redirect is followed without them.

        Raises:
            FetchError: with the reason: "not retrieved: HTTP 404", "not retrieved: timed out" and others.
        """
        max_bytes = max_bytes or self.limits.max_bytes
        posted = None if form is None else urlencode(form).encode()
        rng = random.Random(url)  # spreads the retries of different URLs, in a reproducible way
        for attempt in range(self.limits.retries + 1):
            try:
                return self._follow(url, accept, Budget(self.limits.timeout_seconds, max_bytes), posted)
            except PassingError as failure:
                if attempt == self.limits.retries or (failure.wait or 0) > LONGEST_WAIT_SECONDS:
                    raise FetchError(str(failure)) from failure
                time.sleep(FIRST_WAIT_SECONDS * 2**attempt * rng.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    def _follow(self, url: str, accept: str, budget: Budget, form: bytes | None) -> Response:
        """Send a request and follow its redirects one by one, since each has to be checked."""
        for _ in range(MAX_REDIRECTS + 1):
            if not is_http_url(url):
                raise FetchError("not retrieved: not an http address")
            response = self._request(url, accept, budget, form)
            if isinstance(response, Response):
                return response
            url, form = response, None
        raise FetchError("not retrieved: too many redirects")

    def _request(self, url: str, accept: str, budget: Budget, form: bytes | None) -> Response | str:
        """Send one request; returns its response, or the URL that it redirects to."""
        try:
            target = Target.of(url)
            # the wait for a turn is not the server's fault, so it does not count as time of the request
            with self._hosts.turn(target.site[1]), budget.running():
                try:
                    sent = self._headers(accept) | self._own_headers(target)
                    with self._client.request(target, sent, budget, form) as response:
                        return self._read(response, url, budget)
                except PassingError as failure:
                    if failure.wait:
                        self._hosts.want_quiet(target.site[1], failure.wait, str(failure))
                    raise
                except (OSError, http.client.HTTPException) as error:
                    raise self._late(budget) or fetch_error(error) from error
        except HostQuiet as quiet:
            raise FetchError(str(quiet)) from quiet
        except TooManyBytes as error:
            raise _too_large(budget) from error
        except ValueError as error:
            raise fetch_error(error) from error

    def _headers(self, accept: str) -> dict[str, str]:
        # images are already compressed
        encoding = "gzip" if accept.startswith("text/") else "identity"
        known = {"User-Agent": self.limits.agent, "Accept": accept, "Accept-Language": "en"}
        return known | {"Accept-Encoding": encoding}

    def _own_headers(self, target: Target) -> dict[str, str]:
        """Additional headers for a target; see `ApiFetcher`."""
        return {}

    def _late(self, budget: Budget) -> FetchError | None:
        """The error if the server answered, but too slowly; None if time is left, or the server has sent nothing."""
        if budget.left() > 0 or not budget.heard:
            return None
        return FetchError(f"not retrieved: slower than {self.limits.timeout_seconds:g} s")

    def _read(self, response: http.client.HTTPResponse, url: str, budget: Budget) -> Response | str:
        if response.status in REDIRECTS and (location := response.headers.get("location")) is not None:
            # Python decodes headers as Latin-1, but they may be UTF-8, and hold spaces, as in /my cat.jpg
            return quote_url(urljoin(url, location.encode("latin-1", "replace").decode("utf-8", "replace")))
        if response.status in BUSY:
            raise PassingError(f"not retrieved: HTTP {response.status}", headers.retry_after(response.headers))
        if response.status != 200:
            raise FetchError(f"not retrieved: HTTP {response.status}")
        if use := headers.forbidden_use(", ".join(response.headers.get_all("x-robots-tag", []))):
            raise FetchError(f"not retrieved: its server says {use}")
        body = self._read_body(response, budget)
        return Response(body, url, response.headers.get("content-type", ""))

    def _read_body(self, response: http.client.HTTPResponse, budget: Budget) -> bytes:
        declared = headers.whole_number(response.headers.get("content-length", "")) or 0.0
        if declared > budget.max_bytes:
            raise _too_large(budget)
        encoding = ", ".join(response.headers.get_all("content-encoding", []))
        body = bytearray()
        for piece in decoded(body_of(response), encoding):
            body += piece
            if len(body) > budget.max_bytes:
                raise _too_large(budget)
            budget.wait()  # raises once the time is over; buffered pieces do not wait for the socket, which checks it
        return bytes(body)


def _too_large(budget: Budget) -> FetchError:
    return FetchError(f"not retrieved: larger than {budget.max_bytes} bytes")
