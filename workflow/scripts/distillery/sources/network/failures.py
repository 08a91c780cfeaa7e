"""Why a URL could not be fetched, in the words that stand in the tables, and whether trying again may help."""

from __future__ import annotations

import http.client
import socket
import ssl

from distillery.sources.network.addresses import ForbiddenAddress, ForbiddenPort
from distillery.sources.network.exchange import BrokenEncoding


class FetchError(Exception):
    """A URL gave nothing usable; the message is the reason as it stands in the tables."""


class PassingError(FetchError):
    """A failure that may pass: the request is worth repeating."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait  # seconds that the server asks for


# exceptions of the libraries → reason; the first that fits counts
REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ForbiddenPort,), "not a port of the web"),
    ((ForbiddenAddress,), "not a public address"),
    ((socket.gaierror,), "name unknown"),
    ((TimeoutError,), "timed out"),
    ((ssl.SSLError,), "certificate not valid"),
    ((OSError, http.client.HTTPException), "connection lost"),
    ((BrokenEncoding,), "broken encoding"),
    ((ValueError,), "not an http address"),  # of a URL, before it is asked for
)
PASSING = ("name unknown", "timed out", "connection lost")
# failures of URLs whose servers did not answer at all
NO_ANSWER = frozenset(f"not retrieved: {reason}" for reason in PASSING)


def fetch_error(error: Exception) -> FetchError:
    """An exception of a request, of a kind in `REASONS`, as a FetchError whose reason is the same on every machine."""
    reason = next(reason for kinds, reason in REASONS if isinstance(error, kinds))
    return (PassingError if reason in PASSING else FetchError)(f"not retrieved: {reason}")
