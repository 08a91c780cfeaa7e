"""Limit the time and the bytes of one request, at every step that waits for its connection.

It is not enough to check a limit between reads of decoded bytes, since a server may never complete one: a status line,
a header, the size of a chunk. So every wait for the socket ends when the request's time does, and every byte is counted
as it arrives. A watchdog shuts the sockets of requests whose time is over, in case a library waits in its own loop.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SILENCE_SECONDS = 10.0  # longest wait for a byte
OVERHEAD_BYTES = 1_000_000  # of headers and framing, in addition to the body
WATCH_SECONDS = 0.5  # between two checks of the watchdog


class OutOfTime(TimeoutError):
    """The request has used its time."""


class TooManyBytes(Exception):
    """The request has received more bytes than it may, framing and compressed bytes included."""


class Budget:
    """Seconds and bytes for one request and its redirects, from the look-up of the name to the last byte.

    Args:
        seconds: the time; it runs only within `running`, so that waiting for other requests does not count.
        max_bytes: of a body. In addition, `OVERHEAD_BYTES` of headers and framing may arrive.
    """

    def __init__(self, seconds: float, max_bytes: int):
        self.max_bytes = max_bytes
        self._seconds, self._bytes, self._deadline = seconds, max_bytes + OVERHEAD_BYTES, 0.0
        self.heard = False  # whether any byte has arrived

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the time run."""
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        finally:
            self._seconds = self._deadline - time.monotonic()

    def left(self) -> float:
        """Seconds left; 0 or less if the time is over."""
        return self._deadline - time.monotonic()

    def wait(self, steps: int = 1) -> float:
        """Seconds that the next wait may take, at most `SILENCE_SECONDS`.

        Args:
            steps: number of waits that share the time left.

        Raises:
            OutOfTime: no time is left.
        """
        if (left := self.left()) <= 0:
            raise OutOfTime("out of time")
        return min(SILENCE_SECONDS, left / steps)

    def spend(self, count: int) -> None:
        """Count bytes that have arrived.

        Raises:
            TooManyBytes: there are more than the budget has.
        """
        self.heard = self.heard or count > 0
        self._bytes -= count
        if self._bytes < 0:
            raise TooManyBytes("too many bytes")


class BudgetSocket:
    """A socket that keeps to a budget; has the methods that sending a request and `http.client.HTTPResponse` need."""

    def __init__(self, connection: socket.socket, budget: Budget):
        self._connection, self._budget = connection, budget

    def sendall(self, data: bytes) -> None:
        """Send all bytes."""
        self._connection.settimeout(self._budget.wait())
        self._connection.sendall(data)  # the timeout covers all bytes together

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """A file to read from the socket; closing it leaves the socket open."""
        return io.BufferedReader(_Reader(self._connection, self._budget), 65536)


class _Reader(io.RawIOBase):
    def __init__(self, connection: socket.socket, budget: Budget):
        self._connection, self._budget = connection, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
        self._connection.settimeout(self._budget.wait())
        count = self._connection.recv_into(buffer)
        if not count and self._budget.left() <= 0:
            raise OutOfTime("out of time")  # the watchdog has shut the socket, or the server has after the limit
        self._budget.spend(count)
        return count


class Watchdog:
    """A thread that shuts the sockets of requests whose time is over; it sleeps while there are no requests."""

    def __init__(self) -> None:
        self._watched: dict[socket.socket, Budget] = {}
        self._lock, self._busy = threading.Lock(), threading.Event()
        self._started = False

    @contextmanager
    def watching(self, connection: socket.socket, budget: Budget) -> Iterator[None]:
        """Within this context, shut the socket at most `WATCH_SECONDS` after the budget's time is over."""
        with self._lock:
            self._watched[connection] = budget
            if not self._started:
                self._started = True
                threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        self._busy.set()
        try:
            yield
        finally:
            with self._lock:
                self._watched.pop(connection, None)

    def _watch(self) -> None:
        while self._busy.wait():
            time.sleep(WATCH_SECONDS)
            with self._lock:
                over = [connection for connection, budget in self._watched.items() if budget.left() <= 0]
                if not self._watched:
                    self._busy.clear()
            for connection in over:
                with suppress(OSError):  # it was closed in the meantime
                    # not SSLSocket's own method, which would drop the TLS that another thread is reading
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)


WATCHDOG = Watchdog()
