"""Turn exceptions of a request into the failure reasons that the tables show, and tell which are worth a retry."""

from __future__ import annotations

import http.client
import socket
import ssl

from distillery.sources.network.addresses import ForbiddenAddress, ForbiddenPort
from distillery.sources.network.exchange import BrokenEncoding


class FetchError(Exception):
    """A URL gave nothing usable; the message is the reason that the tables show."""


class PassingError(FetchError):
    """A temporary failure: the request is worth a retry."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait  # seconds that the server asks for


# types of exceptions → reason; the first match counts
REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ForbiddenPort,), "not a port of the web"),
    ((ForbiddenAddress,), "not a public address"),
    ((socket.gaierror,), "name unknown"),
    ((TimeoutError,), "timed out"),
    ((ssl.SSLError,), "certificate not valid"),
    ((OSError, http.client.HTTPException), "connection lost"),
    ((BrokenEncoding,), "broken encoding"),
    ((ValueError,), "not an http address"),  # raised for a URL before a request is sent
)
PASSING = ("name unknown", "timed out", "connection lost")
# failures of URLs whose servers did not answer at all
NO_ANSWER = frozenset(f"not retrieved: {reason}" for reason in PASSING)


def fetch_error(error: Exception) -> FetchError:
    """The FetchError for an exception of a type in `REASONS`; its reason is the same on every machine."""
    reason = next(reason for kinds, reason in REASONS if isinstance(error, kinds))
    return (PassingError if reason in PASSING else FetchError)(f"not retrieved: {reason}")
