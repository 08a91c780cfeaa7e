"""Send one HTTP request and read its response, over a connection that may be kept for the next request.

It supports only what a crawl needs: GET, and POST of a form to get a token; no cookies, proxies or caches.
`http.client` reads the response.
"""

from __future__ import annotations

import http.client
import socket
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util.url import parse_url

from distillery.sources.network.budget import WATCHDOG, Budget, BudgetSocket
from distillery.sources.network.connections import IdleConnections, Site, connect

PORTS = {"http": 80, "https": 443}
PIECE = 65536  # bytes read at a time
WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # encoding → zlib's wbits
GZIP_MAGIC = b"\x1f\x8b"


class BrokenEncoding(ValueError):
    """A body is not in the encoding that its header states."""


@dataclass(frozen=True)
class Target:
    """Where a request goes, in ASCII without spaces, so that no URL can add a line to a request."""

    site: Site
    host: str  # value of the Host header, with the port if it is not the scheme's default
    path: str  # with the query

    @classmethod
    def of(cls, url: str) -> Target:
        """The target of an http(s) URL, with other characters as %XX; `ValueError` if it has none."""
        try:
            parts = parse_url(url)
        except LocationParseError as error:
            raise ValueError("not an http URL") from error
        scheme, host, path = parts.scheme or "", parts.host or "", parts.request_uri
        if scheme not in PORTS or not host or any(not "!" <= character <= "~" for character in host + path):
            raise ValueError("not an http URL")
        port = parts.port or PORTS[scheme]
        return cls((scheme, host, port), host if port == PORTS[scheme] else f"{host}:{port}", path)


class Client:
    """Sends requests, over an open connection if one to the site was kept.

    Args:
        loopback: see `connect`.
    """

    def __init__(self, loopback: int | None):
        self._loopback, self._idle = loopback, IdleConnections()

    @contextmanager
    def request(
        self, target: Target, headers: Mapping[str, str], budget: Budget, form: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a GET, or a POST of a form; yields the response, of which only status and headers have been read.

        Raises:
            OSError, http.client.HTTPException: there is no valid response, or the time is over.
            TooManyBytes: see `Budget`.
        """
        lines = [f"{'GET' if form is None else 'POST'} {target.path} HTTP/1.1", f"Host: {target.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if form is not None:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + (form or b"")
        connection, response = self._begin(target.site, request, budget)
        keep = False
        try:
            with closing(response), WATCHDOG.watching(connection, budget):
                yield response
                # the body was read completely, and the server keeps the connection open
                keep = not response.will_close and (response.isclosed() or response.length == 0)
        finally:
            if keep:
                self._idle.give(target.site, connection)
            else:
                connection.close()

    def _begin(self, site: Site, request: bytes, budget: Budget) -> tuple[socket.socket, http.client.HTTPResponse]:
        if (kept := self._idle.take(site)) is not None:
            try:
                return kept, _send(kept, request, budget)
            except TimeoutError:
                raise
            except OSError:  # the server has just closed it, as it may at any time
                pass
        connection = connect(site, budget, self._loopback)
        return connection, _send(connection, request, budget)


def _send(connection: socket.socket, request: bytes, budget: Budget) -> http.client.HTTPResponse:
    """Send a request and read its response up to the body; closes the connection if that fails."""
    wire = BudgetSocket(connection, budget)
    try:
        with WATCHDOG.watching(connection, budget):
            wire.sendall(request)
            response = http.client.HTTPResponse(wire, method="GET")  # type: ignore[arg-type]  # reads a file of it
            try:
                response.begin()
            except BaseException:
                response.close()
                raise
    except BaseException:
        connection.close()
        raise
    return response


def body_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """A response's body as it was sent, in pieces as they arrive; `ConnectionError` if it ends too soon."""
    while piece := response.read1(PIECE):
        yield piece
    if response.length or (response.chunked and not response.isclosed()):
        raise ConnectionError("the body ends too soon")


def decoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Decode a body (gzip, deflate or none), in pieces of at most `PIECE` bytes each; some are empty.

    Raises:
        BrokenEncoding: the encoding is not supported, or the body does not have it.
        ConnectionError: the body ends too soon.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        yield from pieces
    elif encoding not in WINDOWS:
        raise BrokenEncoding(f"encoding {encoding[:40]!r}")
    else:
        try:
            yield from _inflated(pieces, WINDOWS[encoding])
        except zlib.error as error:
            raise BrokenEncoding("not what its header states") from error


def _inflated(pieces: Iterable[bytes], window: int) -> Iterator[bytes]:
    inflate, start = None, b""  # start: first bytes of a gzip member or deflate stream, too few to recognize it
    members = 0
    for piece in pieces:
        while piece:
            if inflate is None:
                piece, start = start + piece, b""
                if len(piece) < len(GZIP_MAGIC):
                    start = piece
                    break
                if members and not piece.startswith(GZIP_MAGIC):
                    return  # padding, which browsers ignore too
                # some servers send deflate without the header that the standard requires
                bare = window == WINDOWS["deflate"] and piece[0] & 15 != 8
                inflate, members = zlib.decompressobj(-window if bare else window), members + 1
            yield (found := inflate.decompress(piece, PIECE))
            while len(found) == PIECE and not inflate.eof:
                yield (found := inflate.decompress(inflate.unconsumed_tail, PIECE))
            piece, inflate = (inflate.unused_data, None) if inflate.eof else (b"", inflate)
    if inflate is not None or (start and not members):
        raise ConnectionError("the body ends too soon")
