"""Fetch one URL: politely, within limits, and never from inside the user's own network.

Redirects are followed one by one, each through a checked connection. Proxies of the environment are not used, since
they would resolve names themselves.
"""

from __future__ import annotations

import random
import string
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3

from distillery import __version__
from distillery.jobs import one_line
from distillery.sources import headers
from distillery.sources.connections import SILENCE_SECONDS, GuardedAdapter
from distillery.sources.failures import FetchError, PassingError, fetch_error
from distillery.sources.urls import is_http_url, quote_url

AGENT = f"Distillery/{__version__}"
MAX_REDIRECTS = 5
LONGEST_WAIT_SECONDS = 60.0  # a server that asks for more is given up
FIRST_WAIT_SECONDS = 0.5  # before the first retry; doubled before each further one
BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Limits:
    """How a URL may be fetched."""

    connections_per_host: int
    timeout_seconds: float  # for one request, redirects and body included
    max_bytes: int  # after decompression
    retries: int
    contact: str  # of a person, sent with every request

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


class _Session(requests.Session):
    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Iterator[requests.Response]:
        """None: `send` calls this even if redirects are off, and it would read a redirect's body without a limit."""
        return iter(())


class Fetcher:
    """Fetches URLs for several threads.

    Args:
        limits: see `Limits`.
        loopback: see `GuardedAdapter`.
    """

    def __init__(self, limits: Limits, loopback: int | None = None):
        self.limits = limits
        self._hosts: dict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(limits.connections_per_host)
        )
        self._lock = threading.Lock()
        self._session = _Session()
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": limits.agent, "Accept-Language": "en"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, GuardedAdapter(loopback))

    def fetch(self, url: str, accept: str = "*/*") -> Response:
        """Fetch a URL; repeat a request whose failure may pass.

        Args:
            url: any text; one that is not an http URL is a FetchError.
            accept: the Accept header.

        Raises:
            FetchError: with the reason: "not retrieved: HTTP 404", "not retrieved: timed out" and others.
        """
        rng = random.Random(url)  # spreads retries, the same way each time
        for attempt in range(self.limits.retries + 1):
            try:
                return self._follow(url, accept)
            except PassingError as failure:
                wait = FIRST_WAIT_SECONDS * 2**attempt * rng.uniform(0.5, 1.5)
                wait = max(wait, failure.wait or 0)
                if attempt == self.limits.retries or wait > LONGEST_WAIT_SECONDS:
                    raise FetchError(str(failure)) from failure
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _follow(self, url: str, accept: str) -> Response:
        """One request and its redirects, followed by hand, since each has to be checked."""
        left = self.limits.timeout_seconds
        for _ in range(MAX_REDIRECTS + 1):
            if not is_http_url(url):
                raise FetchError("not retrieved: not an http address")
            response, left = self._request(url, accept, left)
            if isinstance(response, Response):
                return response
            url = response
        raise FetchError("not retrieved: too many redirects")

    def _request(self, url: str, accept: str, left: float) -> tuple[Response | str, float]:
        """One request within `left` seconds: its response or the URL it redirects to, and the seconds still left."""
        with self._lock:
            turn = self._hosts[(urlsplit(url).hostname or "").lower()]
        with turn:
            deadline = time.monotonic() + left  # the wait for a turn is not the server's fault
            try:
                silence = max(0.05, min(SILENCE_SECONDS, left))
                with self._session.get(
                    url, headers={"Accept": accept}, stream=True, timeout=silence, allow_redirects=False
                ) as response:
                    return self._read(response, url, deadline), deadline - time.monotonic()
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                ValueError,
                OverflowError,
            ) as error:
                raise fetch_error(error) from error

    def _read(self, response: requests.Response, url: str, deadline: float) -> Response | str:
        if response.is_redirect:
            # the target is decoded as UTF-8, and may hold spaces, as in /my cat.jpg
            return quote_url(urljoin(url, self._session.get_redirect_target(response)))
        if response.status_code in BUSY:
            raise PassingError(f"not retrieved: HTTP {response.status_code}", headers.retry_after(response.headers))
        if response.status_code != 200:
            raise FetchError(f"not retrieved: HTTP {response.status_code}")
        if use := headers.forbidden_use(response.headers.get("x-robots-tag", "")):
            raise FetchError(f"not retrieved: its server says {use}")
        body = self._read_body(response, deadline)
        return Response(body, url, response.headers.get("content-type", ""))

    def _read_body(self, response: requests.Response, deadline: float) -> bytes:
        too_large = f"not retrieved: larger than {self.limits.max_bytes} bytes"
        declared = headers.whole_number(response.headers.get("content-length", "")) or 0.0
        if declared > self.limits.max_bytes:
            raise FetchError(too_large)
        body = bytearray()
        # piece by piece as they arrive: a plain read would wait without end for a server that drips
        while piece := response.raw.read1(65536, decode_content=True):
            body += piece
            if len(body) > self.limits.max_bytes:
                raise FetchError(too_large)
            if time.monotonic() > deadline:
                raise FetchError(f"not retrieved: slower than {self.limits.timeout_seconds:g} s")
        if not response.headers.get("content-encoding") and len(body) < declared:
            raise PassingError("not retrieved: connection lost")
        return bytes(body)
