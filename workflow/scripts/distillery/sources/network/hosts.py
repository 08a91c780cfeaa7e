"""Limit the connections to each host of a crawl, and send a host no requests while it asks for a pause."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from distillery.jobs import log

LONGEST_WAIT_SECONDS = 60.0  # longest pause to wait for; during a longer one, the host's URLs are skipped
MOST_QUIET_SECONDS = 600.0  # of all pauses for one host in a crawl; after that, all its URLs are skipped


class HostQuiet(Exception):
    """A host asked for so long a pause that its URLs are skipped; the message is the failure that asked for it."""


class _Host:
    def __init__(self, connections: int):
        self.connections = threading.Semaphore(connections)
        self.lock = threading.Lock()
        self.quiet_until = 0.0  # end of the pause, by `time.monotonic`
        self.given = 0.0  # seconds of all pauses so far
        self.reason = ""  # the failure that asked for the pause


class Hosts:
    """Gives several threads their turns at each host.

    Args:
        connections: to one host at a time.
    """

    def __init__(self, connections: int):
        self._hosts: dict[str, _Host] = defaultdict(lambda: _Host(connections))
        self._lock = threading.Lock()

    def _host(self, name: str) -> _Host:
        with self._lock:
            return self._hosts[name.lower()]

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Hold one of a host's connections, after waiting for the end of its pause.

        Raises:
            HostQuiet: the pause is longer than `LONGEST_WAIT_SECONDS`.
        """
        host = self._host(name)
        while True:
            while (left := host.quiet_until - time.monotonic()) > 0:
                if left > LONGEST_WAIT_SECONDS:
                    raise HostQuiet(host.reason)
                time.sleep(left)
            with host.connections:
                if host.quiet_until <= time.monotonic():  # else another thread has got a pause in the meantime
                    yield
                    return

    def want_quiet(self, name: str, seconds: float, reason: str) -> None:
        """Record and log that a host asks for so many seconds without requests (Retry-After).

        Args:
            name: of the host.
            seconds: length of the pause.
            reason: the failure that asked for it.
        """
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
