"""The hosts that a crawl asks: how many connections each has at a time, and until when one wants no requests."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from distillery.jobs import log

LONGEST_WAIT_SECONDS = 60.0  # for a host that asks for quiet; one that asks for more is not asked again until then
MOST_QUIET_SECONDS = 600.0  # that one host is given in a crawl; then it is not asked again


class HostQuiet(Exception):
    """A host asked for so much quiet that its other URLs are not asked for; the message is the failure that said so."""


class _Host:
    def __init__(self, connections: int):
        self.connections = threading.Semaphore(connections)
        self.lock = threading.Lock()
        self.quiet_until = 0.0
        self.given = 0.0  # seconds of quiet so far
        self.reason = ""  # the failure that came with the wish


class Hosts:
    """The turns of several threads at each host.

    Args:
        connections: of one host at a time.
    """

    def __init__(self, connections: int):
        self._hosts: dict[str, _Host] = defaultdict(lambda: _Host(connections))
        self._lock = threading.Lock()

    def _host(self, name: str) -> _Host:
        with self._lock:
            return self._hosts[name.lower()]

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """One of a host's connections, once it wants no more quiet.

        Raises:
            HostQuiet: the quiet is longer than `LONGEST_WAIT_SECONDS`.
        """
        host = self._host(name)
        while True:
            while (left := host.quiet_until - time.monotonic()) > 0:
                if left > LONGEST_WAIT_SECONDS:
                    raise HostQuiet(host.reason)
                time.sleep(left)
            with host.connections:
                if host.quiet_until <= time.monotonic():  # else another thread was told meanwhile
                    yield
                    return

    def want_quiet(self, name: str, seconds: float, reason: str) -> None:
        """Note that a host asks for so many seconds without requests (Retry-After), and tell it in the log."""
        host, now = self._host(name), time.monotonic()
        with host.lock:
            until = max(host.quiet_until, now + seconds)
            added = until - max(host.quiet_until, now)
            if added <= 0:
                return
            host.quiet_until, host.reason, host.given = until, reason, host.given + added
            if host.given > MOST_QUIET_SECONDS:
                host.quiet_until = float("inf")
        if host.quiet_until - now > LONGEST_WAIT_SECONDS:
            log.warning("%s asks for %.0f s without requests; its other images are left out", name, seconds)
        elif added >= 1:
            log.info("%s asks for %.0f s without requests; waiting", name, seconds)
