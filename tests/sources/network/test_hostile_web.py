"""A hostile or broken web does no harm: every URL becomes one row with its outcome.

A list of URLs is fetched from a real server on loopback, through the same fetching, store, pool and curation as in any
study. Each case has a name; the tests check its outcome, and what must be true for all cases.
"""

import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
from hostile_bodies import BODIES, JPEG, MAX_BYTES, TO_INSIDE, encoded, image
from PIL import Image

from distillery.config.defaults import source_defaults
from distillery.curation.curated import curate
from distillery.sources.address_lists import fetch_addresses
from distillery.sources.network import connections, fetching
from distillery.storage.retrieved.pools import read_pool, write_pool
from distillery.storage.retrieved.store import Store
from distillery_demo.web import serve

NAMES = {
    "dots": "/../../../../tmp/owned.jpg",
    "escaped-dots": "/%2e%2e/%2e%2e/owned.jpg",
    "nul": "/a%00b.jpg",
    "long": "/" + "x" * 3900 + ".jpg",
    "quotes": "/" + quote("a'b;rm -rf ~|$(id).jpg"),
    "unicode": "/" + quote("фото\u202egpj.jpg"),
}
# name → reason why the image is dropped, empty if it is kept
REASONS = {
    **dict.fromkeys(["good", "wrong-type", "no-type", "gzipped", "palette", "gray", "cmyk", "sixteen-bits"], ""),
    **dict.fromkeys(["turned", "transparent", "animated", "busy-once", "rate-limited", "reset-once", "moved"], ""),
    **{name: "" for name in NAMES},
    "html": "not an image: image/jpeg",
    "svg": "not an image: image/jpeg",
    "eps": "not an image: image/jpeg",
    "zip": "not an image: image/jpeg",
    "empty": "not an image: image/jpeg",
    "half": "broken",
    "bad-checksum": "broken",
    "only-magic": "not an image",
    "pixel-bomb": "too many pixels",
    "gzip-bomb": f"not retrieved: larger than {MAX_BYTES} bytes",
    "not-gzip": "not retrieved: broken encoding",
    "large": f"not retrieved: larger than {MAX_BYTES} bytes",
    "icon": "too small",
    "blank": "blank",
    "noai": "not retrieved: its server says noai",
    "noimageindex": "not retrieved: its server says noimageindex",
    "endless": f"not retrieved: larger than {MAX_BYTES} bytes",
    "drip": "not retrieved: slower than 3 s",
    "silent": "not retrieved: timed out",
    "storm": "not retrieved: HTTP 503",
    "reset": "not retrieved: connection lost",
    "cut": "not retrieved: connection lost",
    "forbidden": "not retrieved: HTTP 403",
    "teapot": "not retrieved: HTTP 418",
    "loop": "not retrieved: too many redirects",
    "not-http": "not retrieved: connection lost",
    "unknown-host": "not retrieved: name unknown",
    "rebinding": "not retrieved: not a public address",
    **{f"to-{name}": "not retrieved: not a public address" for name in TO_INSIDE},
    "to-number": "not retrieved: not a public address",
    **dict.fromkeys(["to-file", "to-gopher"], "not retrieved: not an http address"),
    "to-nothing": "not retrieved: too many redirects",
}
PLAIN = {"endless", "drip", "silent", "storm", "reset", "cut", "forbidden", "teapot", "loop", "not-http", "busy-once"}
PLAIN |= {"rate-limited", "reset-once", "moved"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, host = self.path, self.headers["Host"]
        with self.server.lock:
            again = path in [known for known, _ in self.server.asked]
            self.server.asked.append((path, host))
        name = path.strip("/").partition(".")[0]
        if host == "names.test" or name == "moved-here":
            self.give(encoded(image(1000 + len(self.path)), "JPEG", quality=95))
        elif name.startswith("to-"):
            self.give(b"", 302, location=TO_INSIDE[name[3:]].format(port=self.server.server_address[1]))
        elif name in BODIES:
            body, headers = BODIES[name]
            self.give(body, **{key.replace("-", "_"): value for key, value in headers.items()})
        elif name in ("busy-once", "rate-limited", "reset-once") and again:
            self.give(encoded(image(50 + len(name)), "JPEG", quality=95))
        else:
            getattr(self, name.replace("-", "_"), self.forbidden)()

    def give(self, body, status=200, **headers):
        self.send_response(status)
        for key, value in {"content_length": len(body), "content_type": "image/jpeg", **headers}.items():
            if value is not None:
                self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def forbidden(self):
        self.give(b"", 403)

    def teapot(self):
        self.give(b"", 418)

    def loop(self):
        self.give(b"", 302, location=self.path)

    def moved(self):
        self.give(b"", 301, location="//two.test/moved-here.jpg?x=1")

    def storm(self):
        self.give(b"", 503)

    busy_once = storm

    def rate_limited(self):
        self.give(b"", 429, retry_after=1)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    reset_once = reset

    def cut(self):
        self.give(JPEG[:-9], content_length=len(JPEG))
        self.close_connection = True

    def not_http(self):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.close_connection = True

    def silent(self):
        self.close_connection = True
        time.sleep(3.3)

    def endless(self):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(bytes(65536))

    def drip(self):
        self.send_response(200)
        self.send_header("content-length", "100000")
        self.end_headers()
        self.close_connection = True
        for _ in range(90):
            self.wfile.write(b"\xff")
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, *args):
        pass


class Outcome:
    """The files, rows, requests and connections of one run."""

    def __init__(self, folder: Path, rows, asked, connected, resolved, entries):
        self.folder, self.rows, self.asked = folder, rows, asked
        self.connected, self.resolved, self.entries = connected, resolved, entries


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close, server.request_queue_size = True, False, 64
    server.handle_error = lambda *args: None
    server.lock, server.asked = threading.Lock(), []
    port = server.server_address[1]
    connected, resolved, patch = [], [], pytest.MonkeyPatch()
    real_connect, real_resolve = socket.socket.connect, socket.getaddrinfo

    def connect(self, address):
        connected.append(address[0])
        return real_connect(self, address)

    def resolve(host, *arguments, **options):
        resolved.append(host)
        if host == "rebinding.example":  # resolves to a public address first, and to this machine the second time
            address = "93.184.215.14" if resolved.count(host) == 1 else "127.0.0.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
        if host.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real_resolve(host, *arguments, **options)

    def rebound(self, address):
        if address[0] == "93.184.215.14":
            connected.append(address[0])
            raise connections.ForbiddenAddress("the test's stand-in for the internet")
        return connect(self, address)

    patch.setattr(socket, "getaddrinfo", resolve)
    patch.setattr(socket.socket, "connect", rebound)
    patch.setattr(fetching, "FIRST_WAIT_SECONDS", 0.01)
    urls = {name: f"http://{name}.test/{name}.jpg" for name in [*BODIES, *PLAIN, *(f"to-{name}" for name in TO_INSIDE)]}
    urls |= {name: f"http://names.test{path}" for name, path in NAMES.items()}
    urls |= {"unknown-host": "http://nowhere.example/x.jpg", "rebinding": f"http://rebinding.example:{port}/good.jpg"}
    (folder / "list.txt").write_text("".join(f"frog {url}\n" for url in urls.values()))
    changes = {"path": folder / "list.txt", "timeout_seconds": 3, "max_bytes": MAX_BYTES, "retries": 1}
    source = source_defaults("urls") | {"contact": ""} | changes
    pool = folder / "frog.tar", folder / "frog.jsonl"
    try:
        with serve(server):
            write_pool(*pool, fetch_addresses(source, "mine", "frog", Store(folder / "store"), port))
    finally:
        patch.undo()
    curate([pool], *(folder / f"mine.{end}" for end in ("npy", "thumbs.npy", "parquet")), side=32, min_side=20)
    by_url = {row["url"]: row for row in pq.read_table(folder / "mine.parquet").to_pylist()}
    rows = {name: by_url[url] for name, url in urls.items()}
    yield Outcome(folder, rows, server.asked, connected, resolved, list(read_pool(*pool)))


@pytest.mark.parametrize("name", REASONS)
def test_every_case_has_its_outcome(outcome, name):
    row = outcome.rows[name]
    if REASONS[name]:
        assert row["reason"].startswith(REASONS[name]) and not row["kept"]
    else:
        assert (row["reason"], row["kept"]) == ("", True)


def test_every_url_has_one_row(outcome):
    assert len(outcome.rows) == len(outcome.entries) == len(set(REASONS) | set(BODIES))
    assert len(REASONS) >= 60


def test_of_a_hundred_placeholders_one_is_kept(outcome):
    rows = [row for name, row in outcome.rows.items() if name.startswith("placeholder-")]
    assert len(rows) == 100 and sum(row["kept"] for row in rows) == 1
    assert {row["reason"] for row in rows if not row["kept"]} == {"exact duplicate"}


def test_only_checked_addresses_were_connected_to(outcome):
    # the server for all hosts under .test, and the only public address to which a name resolved
    assert set(outcome.connected) == {"127.0.0.1", "93.184.215.14"}
    assert not [host for path, host in outcome.asked if not host.endswith(".test")]
    assert not [path for path, host in outcome.asked if "secret" in path]
    # each attempt resolves a name once, so that it connects to the address that was checked
    assert outcome.resolved.count("rebinding.example") == outcome.connected.count("93.184.215.14") == 1


def test_each_failure_has_its_number_of_requests(outcome):
    times = {name: sum(path == f"/{name}.jpg" for path, _ in outcome.asked) for name in PLAIN}
    assert times["storm"] == times["reset"] == times["cut"] == times["silent"] == 2  # one retry, as configured
    assert times["forbidden"] == times["teapot"] == times["endless"] == times["drip"] == 1
    assert times["loop"] == fetching.MAX_REDIRECTS + 1


def test_images_lie_in_the_store_alone_and_are_named_by_hashes(outcome):
    files = [path for path in outcome.folder.rglob("*") if path.is_file()]
    store = [path for path in files if "store" in path.parts]
    assert all(len(path.stem) == 32 and set(path.stem) <= set("0123456789abcdef") for path in store)
    made = {"frog.tar", "frog.jsonl", "mine.npy", "mine.thumbs.npy", "mine.parquet"}
    digests = {f"{name}.sha256" for name in made}
    assert {path.name for path in files} - {path.name for path in store} == {"list.txt", *made, *digests}
    assert not Path("/tmp/owned.jpg").exists()


def test_unusual_formats_are_decoded_correctly(outcome):
    pixels = np.load(outcome.folder / "mine.npy").astype(float)

    def near(name, wanted, most=10):
        expected = np.asarray(wanted.convert("RGB").resize((32, 32), Image.Resampling.LANCZOS), float)
        return np.abs(pixels[outcome.rows[name]["row"]] - expected).mean() < most

    assert near("turned", image(21)) and near("sixteen-bits", image(20).convert("L"))
    assert near("cmyk", image(28)) and near("animated", image(23)) and near("gray", image(27).convert("L"))
    white = Image.new("RGB", (96, 96), "white")
    white.paste(image(22), mask=Image.linear_gradient("L").resize((96, 96)))
    assert near("transparent", white)
