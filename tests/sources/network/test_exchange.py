"""Requests reuse connections, send no cookies, and pause when a host requests it."""

import gzip
import threading
import time
import zlib
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.defaults import source_defaults
from distillery.sources.network import hosts
from distillery.sources.network.exchange import PIECE, BrokenEncoding, Target, decoded
from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Fetcher, Limits
from distillery.sources.network.hosts import HostQuiet, Hosts
from distillery.storage.urls import is_http_url
from distillery_demo.web import serve

LIMITS = Limits.of(source_defaults("urls") | {"contact": "", "timeout_seconds": 5, "retries": 2})


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with self.server.lock:
            self.server.asked.append((self.path, self.client_address[1], time.monotonic(), dict(self.headers)))
            asked = len(self.server.asked)
        status, headers, body = self.server.answer(self.path, asked)
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            for each in value if isinstance(value, list) else [value]:
                self.send_header(name, str(each))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Asked)
    server.daemon_threads, server.block_on_close, server.request_queue_size = True, False, 64
    server.lock, server.asked = threading.Lock(), []
    server.handle_error = lambda *args: None
    server.answer = lambda path, asked: (200, {}, b"x" * 1000)
    with serve(server):
        yield server


def fetcher(server, **changes):
    return Fetcher(replace(LIMITS, **changes), loopback=server.server_address[1])


def test_a_connection_serves_a_host_s_requests_one_after_the_other(server):
    client = fetcher(server)
    for number in range(3):
        assert len(client.fetch(f"http://one.test/{number}").body) == 1000
    client.fetch("http://two.test/")
    ports = [port for _, port, _, _ in server.asked]
    assert len(set(ports[:3])) == 1 and ports[3] != ports[0]


@pytest.mark.parametrize("unasked", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"x"])
def test_bytes_sent_without_a_request_are_never_a_response(server, unasked):
    answer = server.answer
    server.answer = lambda path, asked: (200, {"Content-Length": 4}, b"good" + unasked) if asked == 1 else answer("", 0)
    client = fetcher(server)
    assert client.fetch("http://one.test/a").body == b"good"
    time.sleep(0.05)
    assert client.fetch("http://one.test/b").body == b"x" * 1000


def test_a_kept_connection_that_the_server_closed_costs_no_retry(server):
    server.RequestHandlerClass = type("Closing", (_Asked,), {"timeout": 0.1})
    client = fetcher(server, retries=0)
    for pause in (0, 0.3, 0.3):
        time.sleep(pause)
        assert client.fetch("http://one.test/a").body
    assert len(server.asked) == 3


def test_no_cookie_is_sent_whatever_a_site_sets(server):
    cookies = [f"c{number}={'x' * 60000}; Domain=example.test; Path=/" for number in range(10)]
    server.answer = lambda path, asked: (200, {"Set-Cookie": cookies}, b"x")
    client = fetcher(server)
    for host in ("one.example.test", "two.example.test", "one.example.test"):
        assert client.fetch(f"http://{host}/").body == b"x"
    assert not [name for _, _, _, headers in server.asked for name in headers if name.lower() == "cookie"]


def test_all_threads_wait_when_a_host_requests_a_pause(server):
    busy = lambda path, asked: (429, {"Retry-After": 1}, b"") if asked <= 2 else (200, {}, b"x")  # noqa: E731
    server.answer = busy
    client, found = fetcher(server), []
    threads = [
        threading.Thread(target=lambda n=n: found.append(client.fetch(f"http://one.test/{n}"))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    other = fetcher(server)
    other.fetch("http://two.test/")  # meanwhile another host gets a request
    for thread in threads:
        thread.join()
    times = [when for path, _, when, headers in server.asked if headers["Host"] == "one.test"]
    # with two connections at a time, at most two requests are sent before the host requests the pause
    early = [when for when in times if when < times[0] + 0.9]
    assert len(found) == 8 and len(early) <= 2 and len(times) <= 10


def test_a_host_that_requests_a_too_long_pause_gets_no_further_requests(server, monkeypatch):
    server.answer = lambda path, asked: (503, {"Retry-After": 4000}, b"")
    client = fetcher(server)
    for number in range(5):
        with pytest.raises(FetchError, match="HTTP 503"):
            client.fetch(f"http://one.test/{number}")
    assert len(server.asked) == 1


def test_a_host_that_requests_pauses_for_too_long_gets_no_further_requests(monkeypatch):
    monkeypatch.setattr(hosts, "MOST_QUIET_SECONDS", 0.1)
    known = Hosts(1)
    for _ in range(2):
        with known.turn("a.b"):
            known.want_quiet("A.b", 0.06, "not retrieved: HTTP 429")
    with pytest.raises(HostQuiet, match="HTTP 429"), known.turn("a.b"):
        raise AssertionError("had a turn")


def test_the_same_pause_requested_several_times_counts_once():
    known = Hosts(2)
    for _ in range(50):
        known.want_quiet("a.b", 50, "")
    assert 0 < known._host("a.b").quiet_until - time.monotonic() <= 50


texts = st.text(max_size=60)


@given(texts.map("http://a.bc/".__add__) | texts.map("http://".__add__) | texts)
def test_no_url_adds_a_line_to_a_request(url):
    try:
        target = Target.of(url)
    except ValueError:
        return
    for text in (target.host, target.path):
        assert text and all("!" <= character <= "~" for character in text)
    assert target.path.startswith("/") and 0 < target.site[2] < 65536


@given(st.from_regex(r"http://[a-z]{1,9}(\.[a-z]{2,5}){1,2}(:[1-9][0-9]{0,3})?(/[!-~]{0,30})?", fullmatch=True))
def test_every_plain_url_has_a_target(url):
    if is_http_url(url):
        assert Target.of(url).site[0] == "http"


@pytest.mark.parametrize(
    "url, host, path",
    [
        ("http://A.bc", "a.bc", "/"),
        ("http://a.bc:80/d?e=f#g", "a.bc", "/d?e=f"),
        ("https://a.bc:8443/d e", "a.bc:8443", "/d%20e"),
        ("http://user:secret@a.bc/d", "a.bc", "/d"),
        ("http://a.bc/caf\u00e9?\u5c71", "a.bc", "/caf%C3%A9?%E5%B1%B1"),
        ("http://b\u00fccher.de/", "xn--bcher-kva.de", "/"),
        ("http://[2606:4700::1111]/a", "[2606:4700::1111]", "/a"),
        ("http://a.bc/%zz%41", "a.bc", "/%25zz%2541"),
    ],
)
def test_addresses_are_encoded_as_by_browsers(url, host, path):
    target = Target.of(url)
    assert (target.host, target.path) == (host, path)


chunks = st.lists(st.binary(min_size=1, max_size=50), max_size=5)


def cut(data, sizes):
    """Cut data into pieces of these sizes, and the rest."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [piece for piece in [*pieces, data[at:]] if piece]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.lists(st.integers(1, 30), max_size=20))
def test_gzip_of_several_members_is_decoded_wherever_it_is_cut(members, sizes):
    data = b"".join(gzip.compress(member) for member in members)
    assert b"".join(decoded(cut(data, sizes), " GZip ")) == b"".join(members)
    with pytest.raises((ConnectionError, BrokenEncoding)):
        list(decoded(cut(data[: -1 - len(sizes) % 8], sizes), "gzip"))


@given(st.binary(max_size=300), st.lists(st.integers(1, 30), max_size=20), st.booleans())
def test_deflate_is_decoded_with_and_without_a_header(body, sizes, bare):
    data = zlib.compress(body)
    assert b"".join(decoded(cut(data[2:-4] if bare else data, sizes), "deflate")) == body


@given(st.binary(max_size=400), st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", "", "identity"]))
def test_any_bytes_are_decoded_or_one_of_two_errors(data, encoding):
    try:
        found = b"".join(decoded(cut(data, [7, 90]), encoding))
    except (BrokenEncoding, ConnectionError):
        return
    assert found == data or encoding in ("gzip", "deflate")


def test_decompressed_pieces_are_small_whatever_the_whole_size():
    data = gzip.compress(bytes(10_000_000))
    assert max(map(len, decoded([data], "gzip"))) <= PIECE
    assert sum(map(len, decoded([data], "gzip"))) == 10_000_000


def test_padding_after_gzip_is_ignored():
    assert b"".join(decoded([gzip.compress(b"a"), b"\0" * 9], "gzip")) == b"a"
