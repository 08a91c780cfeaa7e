"""Imitate the web on this machine: image searches, and sites with drawn images and the faults of real sites.

One HTTP server replaces all hosts under .test. `www.{kind}.test`, such as `www.bing.test`, replies as that search does;
every other host serves images. The address of an image says what it shows, so the server stores only which addresses
have already replied that they are busy, and how many pages each search has returned.

The environment variable DISTILLERY_DEMO_REFUSALS makes searches of a demonstration refuse, to show how a study handles
that: `google: captcha, openverse: quota used up after 2` (pages of results of each class).
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from distillery_demo.web_index import SearchIndex, WebImage
from distillery_demo.web_pages import SEARCHES, PageRequest
from distillery_demo.web_replies import REFUSALS, REPLIES, Reply

REFUSING = "DISTILLERY_DEMO_REFUSALS"

# host → the search that it imitates
HOSTS = {f"www.{search}.test": search for search in SEARCHES}


class Server(ThreadingHTTPServer):
    """An HTTP server for every host under .test.

    Args:
        index: the results of the searches.
        refusals: search → the reason of its refusal, a key of `REFUSALS`, and the number of pages before it refuses.

    Attributes:
        asked: the address of every request, in order.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, index: SearchIndex, refusals: Mapping[str, tuple[str, int]] | None = None):
        self.index, self.refusals = index, refusals or {}
        self._pages: Counter[str] = Counter()  # search → number of pages of results that it has returned
        self.asked: list[str] = []
        self._busy: set[str] = set()  # paths that have replied that they are busy
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def answer(self, host: str, path: str) -> Reply:
        """The reply to one request.

        Args:
            host: the Host header, with or without a port.
            path: path and query string of the address.
        """
        with self._lock:
            self.asked.append(f"http://{host}{path}")
        parts = urlsplit(path)
        values = {name: value[0] for name, value in parse_qs(parts.query).items()}
        search = HOSTS.get(host.partition(":")[0], "")
        if search and parts.path == SEARCHES[search].path:
            return self._results(search, SEARCHES[search].request(values))
        image = WebImage.at(parts.path)
        if image is None or image.form not in REPLIES:
            return Reply(b"not here", "text/plain", 404)
        if image.form == "busy" and self._first_time(parts.path):
            return Reply(b"busy", "text/plain", 503, (("Retry-After", "0"),))
        return REPLIES[image.form](image)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors, except of clients that disconnect, as a crawl does when it has enough images."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def _results(self, search: str, request: PageRequest) -> Reply:
        reason, after = self.refusals.get(search, ("", 0))
        with self._lock:
            if reason and self._pages[search] >= after:
                return REFUSALS[reason]
            self._pages[search] += 1
        results = [image for image in self.index.find(search, request.query) if image.side in request.sides]
        page = results[request.first : request.first + request.count]
        return Reply(SEARCHES[search].page(page, request.query).encode())

    def _first_time(self, path: str) -> bool:
        with self._lock:
            known = path in self._busy
            self._busy.add(path)
            return not known


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    server: Server

    def do_GET(self) -> None:
        path = re.sub("^http://[^/]+", "", self.path)  # a browser that uses the server as a proxy includes the host
        reply = self.server.answer(self.headers.get("Host", ""), path)
        self.send_response(reply.status)
        for name, value in (("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))):
            self.send_header(name, value)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *args: object) -> None:
        """Log nothing: the crawl has its own log."""


@contextmanager
def serve(server: Server) -> Iterator[int]:
    """Run a server in a separate thread within a `with` block; yields its port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def imitate_web(queries: Mapping[str, Sequence[str]], results: int, seed: int) -> Iterator[int]:
    """Run the imitated web within a `with` block; yields its port, for `Fetcher`. For arguments see `SearchIndex`."""
    refusals = parse_refusals(os.environ.get(REFUSING, ""))
    with serve(Server(SearchIndex(queries, results, seed), refusals)) as port:
        yield port


def parse_refusals(text: str) -> dict[str, tuple[str, int]]:
    """Parse text such as `google: captcha after 3, bing: …` to search → (reason, number of pages before it refuses)."""
    found = re.finditer(r"(\w+): *([a-z ]+?)(?: after (\d+))? *(?:,|$)", text)
    return {match[1]: (match[2], int(match[3] or 0)) for match in found}
