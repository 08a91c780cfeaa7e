"""Fetching from a real server on loopback is polite, within limits, and never reaches the user's own network."""

import gzip
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.defaults import source_defaults
from distillery.sources.network import fetching
from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Fetcher, Limits
from distillery_demo.web import serve

BODY = bytes(range(256)) * 40


class Handler(BaseHTTPRequestHandler):
    """Responds as the URL's path says; the server's `seen` records all requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with self.server.lock:
            self.server.seen.append((self.path, dict(self.headers)))
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
            again = sum(path == self.path for path, _ in self.server.seen)
        try:
            getattr(self, "at_" + re.match(r"/(\w*)", self.path)[1])(again)
        finally:
            with self.server.lock:
                self.server.now -= 1

    def give(self, status=200, body=b"", **headers):
        self.send_response(status)
        for name, value in {"content_length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def at_good(self, again):
        self.give(body=BODY, content_type="image/png")

    def at_slowly(self, again):
        time.sleep(0.15)
        self.give(body=BODY)

    def at_gone(self, again):
        self.give(404)

    def at_busy(self, again):
        self.give(*((503,) if again < 3 else (200, BODY)))

    def at_wait(self, again):
        self.give(*((429,) if again < 2 else (200, BODY)), retry_after=1)

    def at_never(self, again):
        self.give(503, retry_after=4000)

    def at_broken(self, again):
        self.give(body=BODY[:-1], content_length=len(BODY))
        self.close_connection = True

    def at_superscript(self, again):
        self.give(body=BODY, content_length="\u00b9")
        self.close_connection = True

    def at_digits(self, again):
        self.give(body=b"", content_length="9" * 5000)  # more digits than Python converts to an int
        self.close_connection = True

    def at_hangup(self, again):
        self.close_connection = True

    def at_noai(self, again):
        self.give(body=BODY, x_robots_tag="nofollow, noimageai")

    def at_zip(self, again):
        self.give(body=gzip.compress(BODY), content_encoding="gzip")

    def at_bomb(self, again):
        self.give(body=gzip.compress(bytes(3_000_000)), content_encoding="gzip")

    def at_notzip(self, again):
        self.give(body=BODY, content_encoding="gzip")

    def at_large(self, again):
        self.give(body=b"", content_length=10**9)

    def at_endless(self, again):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        for _ in range(100):
            self.wfile.write(bytes(65536))

    def drip(self):
        self.close_connection = True
        for _ in range(100):
            self.wfile.write(b".")
            self.wfile.flush()
            time.sleep(0.02)

    def at_drip(self, again):
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.drip()

    def at_silent(self, again):
        self.close_connection = True
        time.sleep(1)

    def at_moved(self, again):
        self.give(302, location="/good/after?x=1")

    def at_moved_dripping(self, again):
        self.send_response(302)
        self.send_header("location", "/good")
        self.send_header("content-length", "100")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b".")
        self.wfile.flush()
        self.server.followed.wait(60)  # until the test ends; the other 99 bytes are never sent

    def at_moved_cut(self, again):  # a compressed body that ends too soon
        self.give(302, location="/good", body=gzip.compress(BODY)[:-9], content_encoding="gzip", content_length=9**5)
        self.close_connection = True

    def at_moved_digits(self, again):
        self.give(302, location="/good", content_length="9" * 30)
        self.close_connection = True

    def at_accents(self, again):
        self.give(302, location="/good/caf\u00e9".encode().decode("latin-1"))

    def at_spaces(self, again):
        self.give(302, location="/good/my cat.jpg?of=a dog")

    def at_loop(self, again):
        self.give(302, location=self.path)

    def at_inside(self, again):
        self.give(302, location=f"http://127.0.0.1:{self.server.server_address[1]}/good")

    def at_metadata(self, again):
        self.give(302, location="http://169.254.169.254/latest/meta-data/")

    def at_file(self, again):
        self.give(302, location="file:///etc/passwd")

    def log_message(self, *args):
        pass


@contextmanager
def running():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    server.handle_error = lambda *args: None  # clients disconnect on purpose
    server.lock, server.seen, server.now, server.most = threading.Lock(), [], 0, 0
    server.followed = threading.Event()  # set at the end of the test of redirects with a body
    with serve(server):
        yield server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_WAIT_SECONDS", 0.01)
    with running() as server:
        yield server


DEFAULTS = Limits.of(source_defaults("urls") | {"contact": ""})
LIMITS = replace(DEFAULTS, timeout_seconds=0.5, max_bytes=1_000_000, retries=2, contact="someone@example.org")


def fetch(server, path, limits=LIMITS):
    return Fetcher(limits, loopback=server.server_address[1]).fetch(f"http://one.test{path}")


def test_a_response_has_body_url_and_type(server):
    response = fetch(server, "/good?a=b&c")
    assert (response.body, response.url, response.content_type) == (BODY, "http://one.test/good?a=b&c", "image/png")
    path, headers = server.seen[0]
    assert path == "/good?a=b&c" and headers["Host"] == "one.test"
    assert headers["User-Agent"] == "Distillery/0.2.0 (someone@example.org)" and headers["Accept-Language"] == "en"


@pytest.mark.parametrize(
    "contact, sent",
    [
        ("http://a.bc/d?e=f#g, a@b.org", "http://a.bc/d?e=f#g, a@b.org"),
        ("a@b.org\n", "a@b.org"),
        ("Ada\r\nCookie: x", "Ada Cookie: x"),
        ("Zo\u00eb, \u5c71\u7530", "Zo%C3%AB, %E5%B1%B1%E7%94%B0"),
        ("a\x00b", "a%00b"),
        ("\n", ""),
    ],
)
def test_any_contact_makes_a_header(server, contact, sent):
    assert fetch(server, "/good", replace(DEFAULTS, contact=contact)).body == BODY
    assert server.seen[0][1]["User-Agent"] == "Distillery/0.2.0" + (f" ({sent})" if sent else "")


@given(st.text())
def test_any_contact_is_printable(contact):
    assert re.fullmatch("[ -~]+", replace(DEFAULTS, contact=contact).agent)


@pytest.mark.parametrize(
    "path, reason, requests",
    [
        ("/gone", "HTTP 404", 1),
        ("/never", "HTTP 503", 1),
        ("/noai", "its server says noimageai", 1),
        ("/bomb", "larger than 1000000 bytes", 1),
        ("/large", "larger than 1000000 bytes", 1),
        ("/digits", "larger than 1000000 bytes", 1),
        ("/endless", "larger than 1000000 bytes", 1),
        ("/notzip", "broken encoding", 1),
        ("/drip", "slower than 0.5 s", 1),
        ("/silent", "timed out", 3),
        ("/broken", "connection lost", 3),
        ("/hangup", "connection lost", 3),
        ("/loop", "too many redirects", 6),
        ("/inside", "not a public address", 1),
        ("/metadata", "not a public address", 1),
        ("/file", "not an http address", 1),
    ],
)
def test_a_failure_has_its_reason_and_number_of_requests(server, path, reason, requests):
    with pytest.raises(FetchError) as found:
        fetch(server, path)
    assert str(found.value) == f"not retrieved: {reason}"
    assert len(server.seen) == requests


@pytest.mark.parametrize(
    "path, requests", [("/busy", 3), ("/wait", 2), ("/zip", 1), ("/moved", 2), ("/superscript", 1)]
)
def test_a_response_after_retries_redirects_or_decoding(server, path, requests):
    started = time.monotonic()
    response = fetch(server, path)
    assert response.body == BODY and len(server.seen) == requests
    if path == "/wait":
        assert time.monotonic() - started >= 1  # as the server requested
    if path == "/moved":
        assert response.url == "http://one.test/good/after?x=1"


def test_a_redirect_in_utf8_is_followed(server):
    assert fetch(server, "/accents").url == "http://one.test/good/caf\u00e9"
    assert [path for path, _ in server.seen] == ["/accents", "/good/caf%C3%A9"]


def test_a_redirect_to_an_address_with_spaces_is_followed(server):
    assert fetch(server, "/spaces").body == BODY
    assert [path for path, _ in server.seen] == ["/spaces", "/good/my%20cat.jpg?of=a%20dog"]


@pytest.mark.parametrize("path", ["/moved_dripping", "/moved_cut", "/moved_digits"])
def test_a_redirect_s_body_is_not_read(server, path):
    """The server sends only 1 of 100 bytes of a redirect's body; a client that waits for the others fails."""
    try:
        assert fetch(server, path).body == BODY
    finally:
        server.followed.set()
    assert [asked for asked, _ in server.seen] == [path, "/good"]


def test_a_host_has_no_more_connections_than_allowed_and_waiting_for_one_costs_no_time(server):
    fetcher = Fetcher(LIMITS, loopback=server.server_address[1])
    bodies = []
    threads = [
        threading.Thread(target=lambda i=i: bodies.append(fetcher.fetch(f"http://one.test/slowly/{i}").body))
        for i in range(10)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    # ten requests, two at a time, take 0.75 s, which is longer than the limit of one request
    assert bodies == [BODY] * 10 and server.most == LIMITS.connections_per_host
    assert Counter(path for path, _ in server.seen).most_common(1)[0][1] == 1


def test_nothing_on_this_machine_is_reached_without_loopback(server):
    port = server.server_address[1]
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433", "127.1"):
        for fetcher in (Fetcher(LIMITS), Fetcher(LIMITS, loopback=port)):
            with pytest.raises(FetchError, match="not a public address|name unknown|not an http address"):
                fetcher.fetch(f"http://{host}:{port}/good")
    with pytest.raises(FetchError):
        Fetcher(replace(DEFAULTS, retries=0)).fetch(f"http://one.test:{port}/good")
    assert not server.seen


def test_the_proxy_of_the_environment_is_not_used(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert fetch(server, "/good").body == BODY
