"""Connections to public IP addresses only, so that no URL leads into the user's own network.

A name is resolved once, all its addresses are checked, and the socket is opened to one of them: a name that resolves to
something else a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

SILENCE_SECONDS = 10.0  # longest wait for a byte; a source's timeout_seconds limits the whole request
# IPv6 addresses that carry another address inside, which could be of the user's own network
TRANSLATED = [ipaddress.ip_network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]


class ForbiddenAddress(OSError):
    """An IP address that is not part of the public internet."""


def is_public(address: str) -> bool:
    """Whether an IP address is part of the public internet; one that carries another address inside is not."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in network for network in TRANSLATED):
            return False
        ip = ip.ipv4_mapped or ip
    return ip.is_global and not ip.is_multicast


def connect(host: str, port: int, timeout: float | None, loopback: int | None) -> socket.socket:
    """A connection to the first address of a host that answers.

    Args:
        host: a name or an IP address.
        port: of the host.
        timeout: seconds for each address.
        loopback: see `GuardedAdapter`.

    Raises:
        ForbiddenAddress: an address of the host is not public.
        OSError: the name is unknown, or no address answers.
    """
    if loopback is not None and host.lower().endswith(".test"):
        return socket.create_connection(("127.0.0.1", loopback), timeout)
    infos = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    if not all(is_public(str(info[4][0])) for info in infos):
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


class GuardedAdapter(HTTPAdapter):
    """Opens every connection of a session with `connect`; retries nothing itself.

    Args:
        loopback: port of a server on this machine that answers for every host under .test, the name that RFC 6761
            reserves for testing. None outside demos and tests.
    """

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


class _Guarded(HTTPConnection):
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
