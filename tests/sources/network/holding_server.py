"""A server on loopback that sends or waits until the client disconnects, or until its own time limit."""

import itertools
import re
import socketserver
import ssl
import struct
import threading
import time

from distillery_demo.web import serve

HOLD_SECONDS = 20.0  # until the server disconnects; far longer than the limits in tests
PAUSE_SECONDS = 0.03  # between two pieces of a slow response
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
GZIP = OK + b"content-encoding: gzip\r\n\r\n"
DEFLATE = OK + b"content-encoding: deflate\r\n\r\n"
NAMED = b"\x1f\x8b\x08\x08" + bytes(6)  # gzip's header, to be followed by a file name that ends with a zero
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # a deflate block: stored, without bytes, not the last one

# name → bytes that are sent first, bytes that are then sent repeatedly
DRIPPING = {
    "status-line": (b"", b"H"),
    "header": (OK, b"x"),
    "header-value": (OK + b"x: ", b"y"),
    "header-lines": (OK, b"x: y\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue-headers": (b"HTTP/1.1 100 Continue\r\n", b"x: y\r\n"),
    "body": (OK + b"content-length: 100000\r\n\r\n", b"\xff"),
    "body-to-the-end": (OK + b"\r\n", b"\xff"),
    "chunk-size": (CHUNKED, b"0"),
    "chunk-extension": (CHUNKED + b"5;", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "trailer": (CHUNKED + b"0\r\n", b"x: y\r\n"),
    "trailer-line": (CHUNKED + b"0\r\n", b"x"),
    "gzip-name": (GZIP + NAMED, b"x"),
    "empty-blocks": (DEFLATE + b"\x78\x9c", EMPTY_BLOCK),
    "silent-header": (OK, b""),
    "silent-body": (OK + b"content-length: 9\r\n\r\n12345", b""),
}
# the same at full speed, in large pieces
FLOODING = {
    "flood-of-continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "flood-of-trailers": (CHUNKED + b"0\r\n", b"x: y\r\n" * 9000),
    "flood-of-chunk-extension": (CHUNKED, b"1;" + b"x" * 60000 + b"\r\nx\r\n"),
    "flood-of-gzip-name": (GZIP + NAMED, b"x" * 65536),
    "flood-of-empty-blocks": (DEFLATE + b"\x78\x9c", EMPTY_BLOCK * 13000),
    "flood-of-members": (GZIP, bytes.fromhex("1f8b08000000000002ff03000000000000000000") * 3000),
    "flood-of-bytes": (OK + b"\r\n", bytes(65536)),
}


class HoldingServer(socketserver.ThreadingTCPServer):
    """Behaves as the path says: a name of `DRIPPING` or `FLOODING`, or a method of `_Holding`.

    Attributes:
        asked: the path of every request.
        let_go: paths of clients that had not disconnected by the server's time limit.
    """

    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def __init__(self, context: ssl.SSLContext | None = None):
        self.asked, self.let_go, self.gone = [], [], threading.Event()
        self.context = context
        super().__init__(("127.0.0.1", 0), _Holding)

    def handle_error(self, *args):
        pass  # clients hang up on purpose


class _Holding(socketserver.BaseRequestHandler):
    def handle(self):
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        asked = b""
        while b"\r\n\r\n" not in asked:
            if not (piece := self.request.recv(65536)):
                return
            asked += piece
        path = asked.split()[1].decode()
        self.server.asked.append(path)
        name = re.match(r"/([a-z-]*)", path)[1]
        if name in DRIPPING or name in FLOODING:
            self.hold(path, *(DRIPPING | FLOODING)[name])
        else:
            getattr(self, name.replace("-", "_"))(path)

    def hold(self, path, first, again, pause=PAUSE_SECONDS):
        """Send until the client disconnects; record its path in `let_go` if it does not within `HOLD_SECONDS`."""
        end = time.monotonic() + HOLD_SECONDS
        self.request.settimeout(HOLD_SECONDS)
        self.request.sendall(first)
        while time.monotonic() < end:
            self.request.sendall(again)  # raises once the client has disconnected
            if path.strip("/") not in FLOODING:
                self.pause(pause, again)
        self.server.let_go.append(path)

    def pause(self, pause, again):
        if again:
            time.sleep(pause)
            return
        self.request.settimeout(HOLD_SECONDS)
        if self.request.recv(1) == b"":  # waits until the client disconnects
            raise ConnectionError

    def silent(self, path):
        self.hold(path, b"", b"")

    def moving(self, path):
        """Redirect endlessly, each time after a short pause."""
        time.sleep(0.25)
        number = int(path.rpartition("/")[2] or 0) + 1
        self.request.sendall(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: /moving/%d\r\n\r\n" % number)


class TLSRecordServer(socketserver.ThreadingTCPServer):
    """Replies to a TLS greeting with a record that never ends."""

    daemon_threads, block_on_close = True, False

    def __init__(self):
        self.let_go = []
        super().__init__(("127.0.0.1", 0), _Record)

    def handle_error(self, *args):
        pass


class _Record(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(65536)
        # a handshake record of 16,000 bytes that begins a ServerHello of 15,996
        self.request.sendall(struct.pack(">BHH", 22, 0x0303, 16000) + b"\x02\x00" + struct.pack(">H", 15996))
        end = time.monotonic() + HOLD_SECONDS
        for _ in itertools.takewhile(lambda _: time.monotonic() < end, itertools.count()):
            self.request.sendall(b"\x03")
            time.sleep(PAUSE_SECONDS)
        self.server.let_go.append("record")


__all__ = ["DRIPPING", "FLOODING", "HoldingServer", "TLSRecordServer", "serve"]
