"""No server delays a request beyond its limits, whether it sends slowly, endlessly or nothing, in any phase.

The servers would continue for 20 s; the limit is half a second. The tests check that the client disconnects first.
"""

import shutil
import socket
import ssl
import subprocess
import threading
from dataclasses import replace

import pytest
from holding_server import DRIPPING, FLOODING, HoldingServer, TLSRecordServer, serve

from distillery.config.defaults import source_defaults
from distillery.sources.crawling import crawl
from distillery.sources.network import connections
from distillery.sources.network.budget import OVERHEAD_BYTES, WATCHDOG, Budget, OutOfTime
from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Fetcher, Limits
from distillery.sources.search import LATE, search_of
from distillery.storage.retrieved.store import Store
from distillery_demo.web import Server
from distillery_demo.web_index import SearchIndex

LIMITS = replace(
    Limits.of(source_defaults("urls") | {"contact": ""}), timeout_seconds=0.5, max_bytes=200_000, retries=0
)


@pytest.fixture
def holding():
    server = HoldingServer()
    with serve(server):
        yield server


def failure_of(port, url, limits=LIMITS):
    with pytest.raises(FetchError) as failure:
        Fetcher(limits, loopback=port).fetch(url)
    return str(failure.value).removeprefix("not retrieved: ")


@pytest.mark.parametrize("name", [*DRIPPING, "silent"])
def test_a_server_that_sends_slowly_is_left_in_time(holding, name):
    reason = failure_of(holding.server_address[1], f"http://one.test/{name}")
    assert reason == ("timed out" if name == "silent" else "slower than 0.5 s")
    assert holding.asked == [f"/{name}"] and not holding.let_go


@pytest.mark.parametrize("name", FLOODING)
def test_a_server_that_floods_is_left_after_so_many_bytes(holding, name):
    # with enough time that the limit of bytes ends the request
    reason = failure_of(holding.server_address[1], f"http://one.test/{name}", replace(LIMITS, timeout_seconds=15))
    assert reason in ("larger than 200000 bytes", "connection lost")  # http.client refuses long lines
    assert holding.asked == [f"/{name}"] and not holding.let_go


def test_the_bytes_of_a_response_are_counted_as_sent():
    budget = Budget(1, 100)
    budget.spend(100 + OVERHEAD_BYTES)
    with pytest.raises(Exception, match="too many bytes"):
        budget.spend(1)


def test_redirects_share_the_time_of_one_request(holding):
    assert failure_of(holding.server_address[1], "http://one.test/moving/0") == "slower than 0.5 s"
    assert len(holding.asked) < 5


def test_a_slow_tls_handshake_is_left_in_time():
    server = TLSRecordServer()
    with serve(server):
        assert failure_of(server.server_address[1], "https://one.test/a") == "timed out"
        assert not server.let_go


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for one.test, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "key.pem", folder / "certificate.pem"
    options = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=one.test -addext subjectAltName=DNS:one.test"
    subprocess.run(
        ["openssl", "req", *options.split(), "-keyout", files[0], "-out", files[1]], check=True, capture_output=True
    )
    return files


@pytest.fixture
def secure(certificate, monkeypatch):
    """A holding server over TLS, whose certificate is trusted."""
    key, file = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    trusted = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(connections, "tls_context", lambda: trusted)
    server = HoldingServer(context)
    with serve(server):
        yield server


@pytest.mark.parametrize("name", ["header-lines", "chunk-extension", "gzip-name", "body"])
def test_tls_changes_no_limit(secure, name):
    assert failure_of(secure.server_address[1], f"https://one.test/{name}") == "slower than 0.5 s"
    assert secure.asked == [f"/{name}"] and not secure.let_go


def test_a_certificate_has_to_be_for_the_host_and_trusted(secure, monkeypatch):
    port = secure.server_address[1]
    assert failure_of(port, "https://two.test/body") == "certificate not valid"
    monkeypatch.undo()
    assert failure_of(port, "https://one.test/body") == "certificate not valid"
    assert not secure.asked


def test_all_addresses_of_a_host_share_its_time(monkeypatch):
    # a socket whose queue is full: it does not respond to further connections, like a dead address
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        dead.listen(0)
        where = dead.getsockname()
        filling = [socket.socket() for _ in range(4)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(where)
        attempts = []
        real = socket.socket.connect
        monkeypatch.setattr(
            socket.socket, "connect", lambda self, to: (attempts.append(self.gettimeout()), real(self, to))[1]
        )
        infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where)] * 12
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: infos)
        monkeypatch.setattr(connections, "is_public", lambda address: True)
        assert (
            failure_of(None, f"http://dead.example:{where[1]}/a", replace(LIMITS, timeout_seconds=1.2)) == "timed out"
        )
        assert 2 <= len(attempts) <= 12 and sum(attempts) <= 1.3
        for one in filling:
            one.close()


def test_a_name_that_is_not_resolved_is_not_waited_for(monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: never.wait(20))
    assert failure_of(None, "http://slow.example/a") == "timed out"
    never.set()


def test_the_watchdog_ends_a_wait_without_a_timeout():
    mine, theirs = socket.socketpair()
    with mine, theirs:
        theirs.settimeout(20)  # as in a library's own loop, which would wait that long
        budget = Budget(0.2, 10**6)
        with budget.running(), WATCHDOG.watching(theirs, budget):
            assert theirs.recv(1) == b""  # disconnected, not timed out
            with pytest.raises(OutOfTime):
                budget.wait()


class OneHolds(Server):
    """The imitated web with one address that endlessly sends a byte now and then."""

    def __init__(self, index):
        super().__init__(index)
        self.end, self.held, self.let_go = threading.Event(), [], False

    def answer(self, host, path):
        with self._lock:
            if not host.startswith("www.") and not self.held:
                self.held.append(path)
        if self.held == [path]:
            self.let_go = not self.end.wait(20)
        return super().answer(host, path)


@pytest.mark.parametrize("kind", ["bing", "openverse"])
def test_a_crawl_ends_when_enough_images_have_arrived(tmp_path, kind):
    server = OneHolds(SearchIndex({"frog": ["frog"]}, 41, seed=0))
    source = {"kind": kind, "per_class": 20, "max_per_query": 41, "filters": {}}
    asked = search_of(source, "mine", "frog", ["frog"], imitated=True)
    limits = replace(LIMITS, timeout_seconds=60, retries=1)
    with serve(server):
        entries = list(crawl(asked, limits, Store(tmp_path), loopback=server.server_address[1]))
        server.end.set()
    assert len({record.sha256 for record, data in entries if data is not None}) == 20
    assert server.held and not server.let_go
    late = [record for record, _ in entries if record.failure == LATE]
    assert [record.url.partition(".test")[2] for record in late] == server.held
