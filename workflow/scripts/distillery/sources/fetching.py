"""Fetch one address: politely, within limits, and never from inside the user's own network.

Every connection goes to an address that was checked, also after redirects: the name is resolved once, and the socket is
opened to what it resolved to. Proxies of the environment are not used, since they would resolve names themselves.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import string
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from distillery.jobs import one_line
from distillery.sources.results import is_address

AGENT = "Distillery/0.1"
MAX_REDIRECTS = 5
SILENCE_SECONDS = 10.0  # without a byte; the deadline of the whole request is the source's timeout_seconds
LONGEST_WAIT_SECONDS = 60.0  # that a server may ask for; beyond, the address is given up
FIRST_WAIT_SECONDS = 0.5  # before the first retry, then doubled
BUSY = (429, 500, 502, 503, 504)
FORBIDDEN_USES = ("noai", "noimageai", "noindex", "noimageindex", "none")
# addresses that carry another address inside: they could lead into the user's own network
TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]


class FetchError(Exception):
    """An address that gave nothing usable; the message is the reason as it stands in the tables."""


class _Retry(FetchError):
    """A failure that may pass."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait  # seconds, as the server asks


@dataclass(frozen=True)
class Limits:
    """How an address may be fetched."""

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
        """What a server is told about who asks: a header, so in one line of ASCII, other characters as %XX."""
        contact = quote(one_line(self.contact), safe=string.punctuation + " ", errors="replace")
        return f"{AGENT} ({contact})" if contact else AGENT


@dataclass(frozen=True)
class Response:
    """A successful answer: the body, and the address it came from after redirects."""

    body: bytes
    address: str
    content_type: str


class _Session(requests.Session):
    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Iterator[requests.Response]:
        """Nothing: `send` asks for it whatever it was told, and would read all of a redirect's body, without limit."""
        return iter(())


class Fetcher:
    """Fetches addresses for several threads.

    Args:
        limits: see `Limits`.
        loopback: port of a server on this machine that stands for every host under .test, the name that RFC 6761 keeps
            for testing; for demonstrations and tests alone.
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
            self._session.mount(scheme, _GuardedAdapter(loopback))

    def fetch(self, address: str, accept: str = "*/*") -> Response:
        """Fetch an address, trying again after what may pass.

        Raises:
            FetchError: with the reason: "not retrieved: HTTP 404", "not retrieved: timed out", …
        """
        chance = random.Random(address)  # spreads retries, the same way each time
        for attempt in range(self.limits.retries + 1):
            try:
                return self._follow(address, accept)
            except _Retry as failure:
                wait = FIRST_WAIT_SECONDS * 2**attempt * chance.uniform(0.5, 1.5)
                wait = max(wait, failure.wait or 0)
                if attempt == self.limits.retries or wait > LONGEST_WAIT_SECONDS:
                    raise FetchError(str(failure)) from failure
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _follow(self, address: str, accept: str) -> Response:
        """One request, its redirects followed by hand, since each has to be checked."""
        left = self.limits.timeout_seconds
        for _ in range(MAX_REDIRECTS + 1):
            if not is_address(address):
                raise FetchError("not retrieved: not an http address")
            answer, left = self._request(address, accept, left)
            if isinstance(answer, Response):
                return answer
            address = answer
        raise FetchError("not retrieved: too many redirects")

    def _request(self, address: str, accept: str, left: float) -> tuple[Response | str, float]:
        """One request: its answer, or the address it redirects to; and the seconds left, of those given."""
        with self._lock:
            turn = self._hosts[(urlsplit(address).hostname or "").lower()]
        with turn:
            deadline = time.monotonic() + left  # waiting for one's turn is not the server's fault
            try:
                silence = max(0.05, min(SILENCE_SECONDS, left))
                with self._session.get(
                    address, headers={"Accept": accept}, stream=True, timeout=silence, allow_redirects=False
                ) as response:
                    return self._answer(response, address, deadline), deadline - time.monotonic()
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
                ValueError,
                OverflowError,
            ) as error:
                raise _reason(error) from error

    def _answer(self, response: requests.Response, address: str, deadline: float) -> Response | str:
        if response.is_redirect:
            return urljoin(address, self._session.get_redirect_target(response))  # which reads it as UTF-8
        if response.status_code in BUSY:
            raise _Retry(f"not retrieved: HTTP {response.status_code}", retry_after(response.headers))
        if response.status_code != 200:
            raise FetchError(f"not retrieved: HTTP {response.status_code}")
        if use := forbidden_use(response.headers.get("x-robots-tag", "")):
            raise FetchError(f"not retrieved: its server says {use}")
        body = self._body(response.raw, response.headers, deadline)
        return Response(body, address, response.headers.get("content-type", ""))

    def _body(self, raw: urllib3.HTTPResponse, headers: Mapping[str, str], deadline: float) -> bytes:
        too_large = f"not retrieved: larger than {self.limits.max_bytes} bytes"
        declared = _count(headers.get("content-length", "")) or 0.0
        if declared > self.limits.max_bytes:
            raise FetchError(too_large)
        body = bytearray()
        # one piece at a time as it comes: a server that drips would hold a plain read for ever
        while piece := raw.read1(65536, decode_content=True):
            body += piece
            if len(body) > self.limits.max_bytes:
                raise FetchError(too_large)
            if time.monotonic() > deadline:
                raise FetchError(f"not retrieved: slower than {self.limits.timeout_seconds:g} s")
        if not headers.get("content-encoding") and len(body) < declared:
            raise _Retry("not retrieved: connection lost")
        return bytes(body)


# urllib3 counts a refused connection among the time-outs
NO_TIMEOUT = urllib3.exceptions.NewConnectionError


def _reason(error: Exception) -> FetchError:
    """A library's error as a reason without the particulars of this machine."""
    causes = list(_causes(error))
    for kinds, reason in REASONS:
        if any(isinstance(cause, kinds) and not isinstance(cause, NO_TIMEOUT) for cause in causes):
            passing = reason in ("name unknown", "timed out")
            return (_Retry if passing else FetchError)(f"not retrieved: {reason}")
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError)):
        return FetchError("not retrieved: not an http address")
    return _Retry("not retrieved: connection lost")


def _causes(error: BaseException | None, depth: int = 8):
    """An error and what it came from, however the libraries wrapped it."""
    if error is None or not depth:
        return
    yield error
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for cause in inner:
        if isinstance(cause, BaseException) and cause is not error:
            yield from _causes(cause, depth - 1)


def _count(said: str) -> float | None:
    """A header's digits as a number, infinite if they are too many; None of anything else, a superscript too."""
    return float(said) if said.isascii() and said.isdigit() else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to wait, from its Retry-After: a number or a date (RFC 9110, 10.2.3)."""
    said = headers.get("retry-after", "").strip()
    if (seconds := _count(said)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def forbidden_use(header: str) -> str:
    """The first word of an X-Robots-Tag that forbids use as a training image, or "".

    A part may name the robot it is for ("otherbot: noindex"); those for others do not count.
    """
    robot = ""
    for part in header.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"):
            robot, part = name.strip(), rest
        if robot in ("", "*", "distillery") and part.strip() in FORBIDDEN_USES:
            return part.strip()
    return ""


# --- connections to checked addresses ---------------------------------------------------------------------------------


class ForbiddenAddress(OSError):
    """An address that is not of the public internet."""


def is_public(address: str) -> bool:
    """Whether an IP address is of the public internet, also when it carries another inside."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in network for network in TRANSLATED):
            return False
        ip = ip.ipv4_mapped or ip
    return ip.is_global and not ip.is_multicast


def connect(host: str, port: int, timeout: float | None, loopback: int | None) -> socket.socket:
    """A connection to the first answering address of a host, all of which have to be public."""
    if loopback is not None and host.lower().endswith(".test"):
        return socket.create_connection(("127.0.0.1", loopback), timeout)
    infos = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    if not all(is_public(info[4][0]) for info in infos):
        raise ForbiddenAddress("not a public address")
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, where in infos:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(timeout)
        try:
            connection.connect(where)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


# what a library's errors mean, the first that fits
REASONS = (
    (ForbiddenAddress, "not a public address"),
    (socket.gaierror, "name unknown"),
    ((requests.exceptions.SSLError, urllib3.exceptions.SSLError), "certificate not valid"),
    ((urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError), "broken encoding"),
    ((TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout), "timed out"),
)


class _Guarded:
    """A connection whose socket comes from `connect`."""

    loopback: int | None = None

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, (int, float)) else SILENCE_SECONDS
        try:
            return connect(self.host, self.port, timeout, self.loopback)
        except ForbiddenAddress:
            raise
        except TimeoutError as error:
            raise urllib3.exceptions.ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(self, "failed") from error


class _GuardedAdapter(HTTPAdapter):
    """Opens every connection through `connect`; retries nothing by itself."""

    def __init__(self, loopback: int | None):
        self._loopback = loopback
        super().__init__(pool_connections=64, pool_maxsize=8, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        plain = type("Guarded", (_Guarded, HTTPConnection), {"loopback": self._loopback})
        secure = type("GuardedTLS", (_Guarded, HTTPSConnection), {"loopback": self._loopback})
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("GuardedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedTLSPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
