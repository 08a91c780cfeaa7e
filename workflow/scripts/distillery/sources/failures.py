"""Why a URL could not be fetched, in the words that stand in the tables, and whether trying again may help."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import requests
import urllib3

from distillery.sources.connections import ForbiddenAddress


class FetchError(Exception):
    """A URL gave nothing usable; the message is the reason as it stands in the tables."""


class PassingError(FetchError):
    """A failure that may pass: the request is worth repeating."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait  # seconds that the server asks for


# exceptions of the libraries → reason; the first that fits counts
REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ForbiddenAddress,), "not a public address"),
    ((socket.gaierror,), "name unknown"),
    ((requests.exceptions.SSLError, urllib3.exceptions.SSLError), "certificate not valid"),
    ((urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError), "broken encoding"),
    ((TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout), "timed out"),
)
PASSING = ("name unknown", "timed out")
CONNECTION_LOST = "connection lost"
# failures of URLs whose servers did not answer at all
NO_ANSWER = frozenset(f"not retrieved: {reason}" for reason in (*PASSING, CONNECTION_LOST))
# urllib3 derives a refused connection from its timeouts
NO_TIMEOUT = urllib3.exceptions.NewConnectionError


def fetch_error(error: Exception) -> FetchError:
    """An exception of requests, urllib3 or socket as a FetchError whose reason is the same on every machine."""
    causes = list(_causes(error))
    for kinds, reason in REASONS:
        if any(isinstance(cause, kinds) and not isinstance(cause, NO_TIMEOUT) for cause in causes):
            return (PassingError if reason in PASSING else FetchError)(f"not retrieved: {reason}")
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError)):
        return FetchError("not retrieved: not an http address")
    return PassingError(f"not retrieved: {CONNECTION_LOST}")


def _causes(error: BaseException | None, depth: int = 8) -> Iterator[BaseException]:
    """An exception and those it came from, however the libraries wrapped them."""
    if error is None or not depth:
        return
    yield error
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for cause in inner:
        if isinstance(cause, BaseException) and cause is not error:
            yield from _causes(cause, depth - 1)
