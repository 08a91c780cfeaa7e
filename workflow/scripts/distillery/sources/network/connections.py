"""Connect to public IP addresses only, so that no URL leads into the user's own network.

A name is resolved once, all its addresses are checked, and the socket is opened to one of them, so that a name that
resolves differently a moment later (DNS rebinding) does no harm. Its look-up, connection and TLS share one time limit.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import OrderedDict
from functools import cache
from typing import Any

import certifi
from urllib3.util.wait import wait_for_read

from distillery.sources.network.addresses import REFUSED_PORTS, ForbiddenAddress, ForbiddenPort, is_public
from distillery.sources.network.budget import WATCHDOG, Budget, OutOfTime

MOST_IDLE = 64  # open connections that are kept for further requests
Site = tuple[str, str, int]  # scheme, host, port


@cache
def tls_context() -> ssl.SSLContext:
    """The TLS settings: certificates are checked against Mozilla's list (certifi)."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def connect(site: Site, budget: Budget, loopback: int | None = None) -> socket.socket:
    """Connect to the first of a site's addresses that answers, with TLS for https.

    Args:
        site: scheme, host (a name or an IP address) and port.
        budget: of the request.
        loopback: port of a server on this machine that stands in for every host under .test, a domain that RFC 6761
            reserves for testing. None outside demos and tests.

    Raises:
        ForbiddenAddress: an address of the host is not public, or browsers refuse the port (`ForbiddenPort`).
        OSError: the name is unknown, no address answers, the certificate is not valid, or the time is over.
    """
    scheme, host, port = site
    if loopback is not None and host.lower().endswith(".test"):
        infos: list[Any] = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", loopback))]
    else:
        infos = _resolve(host.strip("[]"), port, budget)
        if not all(is_public(str(info[4][0])) for info in infos):
            raise ForbiddenAddress("not a public address")
    if port in REFUSED_PORTS:
        raise ForbiddenPort(f"port {port}")
    connection = _open(infos, budget)
    return _secured(connection, host.strip("[]"), budget) if scheme == "https" else connection


def _resolve(host: str, port: int, budget: Budget) -> list[Any]:
    """The addresses of a host. The system's look-up has no time limit, so it runs in a thread."""
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError, ValueError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, name="look-up", daemon=True)
    thread.start()
    thread.join(budget.wait())
    if not found:
        raise OutOfTime("the name was not resolved in time")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def _open(infos: list[Any], budget: Budget) -> socket.socket:
    """Connect to the first address that answers; each gets an equal part of the time left."""
    failure: OSError = OSError("no address")
    for index, (family, kind, protocol, _, where) in enumerate(infos):
        timeout = budget.wait(steps=len(infos) - index)
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(where)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _secured(connection: socket.socket, host: str, budget: Budget) -> socket.socket:
    secured = tls_context().wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
    try:
        with WATCHDOG.watching(secured, budget):
            secured.settimeout(budget.wait())  # for the whole handshake
            secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


class IdleConnections:
    """Open connections that are kept after a response for the next request to the same site."""

    def __init__(self) -> None:
        self._idle: OrderedDict[socket.socket, Site] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, site: Site) -> socket.socket | None:
        """An open connection to a site, or None. One that the server closed, or sent unexpected data on, is dropped."""
        while True:
            with self._lock:
                found = next((connection for connection, its_site in self._idle.items() if its_site == site), None)
                if found is None:
                    return None
                del self._idle[found]
            if not wait_for_read(found, timeout=0):
                return found
            found.close()

    def give(self, site: Site, connection: socket.socket) -> None:
        """Keep a connection whose response was read to its end; if there are too many, the oldest is closed."""
        with self._lock:
            self._idle[connection] = site
            oldest = self._idle.popitem(last=False)[0] if len(self._idle) > MOST_IDLE else None
        if oldest is not None:
            oldest.close()
