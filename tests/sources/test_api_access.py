"""Requests to Openverse and iNaturalist follow their rules, against a server that responds as documented."""

import copy
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
import yaml

from distillery.config.checks.early_warnings import study_warnings
from distillery.config.defaults import source_defaults
from distillery.config.reading import check_config
from distillery.jobs import UserError
from distillery.sources import api_access
from distillery.sources.api_access import CLIENT_ID, CLIENT_SECRET, ApiFetcher, fetcher_of
from distillery.sources.crawling import crawl
from distillery.sources.network.fetching import Limits
from distillery.sources.search import search_of
from distillery.sources.search_check import check_search
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store
from distillery_demo.web import serve
from distillery_demo.web_index import WebImage
from distillery_demo.web_pages import SEARCHES
from distillery_demo.web_replies import REPLIES

STUDY = """
classes: {cat: {queries: [cat]}, dog: {queries: [dog]}}
sources: {mine: {kind: openverse, per_class: 1300}}
split: {test: {mine: 4}}
teacher: {data: {kind: folder, path: trained, test_path: tested}}
scenarios: {small: {train: {mine: 2}}}
"""
LIMITS = Limits.of(source_defaults("openverse") | {"contact": "", "retries": 0, "timeout_seconds": 5})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = {
            name: value[0]
            for name, value in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()
        }
        self.server.posts.append((self.headers["Host"], self.path, form))
        if self.server.token_status != 200:
            return self.give(b"{}", self.server.token_status)
        good = form == {"grant_type": "client_credentials", "client_id": "me", "client_secret": "s&=e"}
        body = (
            {"access_token": "T0K3N", "expires_in": 43200, "token_type": "Bearer"}
            if good
            else {"detail": "invalid_client"}
        )
        return self.give(json.dumps(body).encode(), 200 if good else 401)

    def do_GET(self):
        host, key = self.headers["Host"].partition(":")[0], self.headers.get("Authorization")
        self.server.gets.append((host, self.path, key, time.monotonic()))
        if self.path.startswith("/away"):
            self.send_response(302)
            for name, value in (("Location", "http://images1.test/x"), ("Content-Length", "0")):
                self.send_header(name, value)
            return self.end_headers()
        if "/v1/" in self.path:
            page = int(parse_qs(self.path.partition("?")[2]).get("page", ["1"])[0])
            asked = sum("/v1/" in path for _, path, _, _ in self.server.gets)
            if asked > (10_000 if key == "Bearer T0K3N" else self.server.anonymous) or page > 12:
                # for results beyond the first 240, anonymous clients get status 401 or 400
                return self.give(b'{"detail": "Request was throttled."}', 429 if page <= 12 else 401)
            kind = "inaturalist" if "observations" in self.path else "openverse"
            first = 20 * (page - 1) if kind == "openverse" else 200 * (page - 1)
            found = self.server.shots[first : first + (20 if kind == "openverse" else 200)]
            return self.give(SEARCHES[kind].page(found, "frog").encode())
        image = WebImage.at(self.path.partition("?")[0])
        return self.give(REPLIES[image.form](image).body if image else b"x", content_type="image/png")

    def give(self, body, status=200, content_type="application/json"):
        self.send_response(status)
        for name, value in (("Content-Type", content_type), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Api(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, anonymous=200, token_status=200, results=300):
        super().__init__(("127.0.0.1", 0), Handler)
        self.anonymous, self.token_status = anonymous, token_status
        self.shots = [WebImage("bing", "frog", number, "plain", 72, "jpg") for number in range(results)]
        self.posts, self.gets = [], []

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def api(request):
    server = Api(**getattr(request, "param", {}))
    with serve(server):
        yield server


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv(CLIENT_ID, "me")
    monkeypatch.setenv(CLIENT_SECRET, "s&=e")


def crawled(api, folder, kind="openverse", wanted=30, most=240):
    source = {"kind": kind, "per_class": wanted, "max_per_query": most, "filters": {}}
    search = search_of(source, "mine", "frog", ["frog"], imitated=True)
    return list(crawl(search, LIMITS, Store(folder), loopback=api.server_address[1]))


def test_a_registered_client_s_key_goes_to_openverse_alone(api, tmp_path, client):
    assert len(crawled(api, tmp_path)) == 30
    assert [(host, path) for host, path, _ in api.posts] == [("www.openverse.test", "/v1/auth_tokens/token/")]
    pages = [key for host, path, key, _ in api.gets if "/v1/" in path]
    images = [key for host, path, key, _ in api.gets if "/v1/" not in path]
    assert pages == ["Bearer T0K3N"] * len(pages) and len(pages) >= 2
    assert images == [None] * len(images) and len(images) >= 30


def test_without_a_client_nothing_is_sent(api, tmp_path, monkeypatch):
    monkeypatch.delenv(CLIENT_ID, raising=False)
    monkeypatch.delenv(CLIENT_SECRET, raising=False)
    assert len(crawled(api, tmp_path)) == 30 and not api.posts
    assert {key for _, _, key, _ in api.gets} == {None}


def test_a_redirect_takes_no_key_along(api):
    fetcher = ApiFetcher(LIMITS, api.server_address[1], "http://www.openverse.test", 0.0, "T0K3N")
    assert fetcher.fetch("http://www.openverse.test/away").body == b"x"
    assert [(host, key) for host, _, key, _ in api.gets] == [
        ("www.openverse.test", "Bearer T0K3N"),
        ("images1.test", None),
    ]


@pytest.mark.parametrize("api", [{"anonymous": 2}], indirect=True)
def test_a_used_up_quota_keeps_what_was_found(api, tmp_path):
    entries = crawled(api, tmp_path, wanted=100)
    assert len(entries) == 40  # two pages
    with pytest.raises(Refusal) as refusal:
        check_search(
            source_defaults("openverse") | {"kind": "openverse", "contact": "", "retries": 0, "per_class": 1},
            "mine",
            "frog",
            tmp_path,
            api.server_address[1],
        )
    assert refusal.value.reason == "quota used up"


def test_a_query_has_no_more_than_240_results(api, tmp_path, client):
    """Also with a key, a query ends after max_per_query results, at most 240."""
    assert len(crawled(api, tmp_path, wanted=300)) == 240
    assert sum("/v1/" in path for _, path, _, _ in api.gets) == 12


@pytest.mark.parametrize(
    "api, reason", [({"token_status": 429}, "quota used up"), ({"token_status": 503}, "unreachable")], indirect=["api"]
)
def test_a_token_that_is_not_given_is_a_refusal(api, tmp_path, client, reason):
    with pytest.raises(Refusal, match="Openverse gives no token") as refusal:
        crawled(api, tmp_path)
    assert refusal.value.reason == reason


def test_a_wrong_client_is_one_line_without_the_secret(api, tmp_path, client, monkeypatch):
    monkeypatch.setenv(CLIENT_SECRET, "wrong-secret")
    with pytest.raises(UserError, match="Openverse does not know the client in OPENVERSE_CLIENT_ID") as error:
        crawled(api, tmp_path)
    assert "wrong-secret" not in str(error.value) and "\n" not in str(error.value)
    monkeypatch.delenv(CLIENT_SECRET)
    with pytest.raises(UserError, match="OPENVERSE_CLIENT_ID is set, but not the other"):
        crawled(api, tmp_path)


@pytest.mark.parametrize(
    "kind, registered, pause", [("openverse", False, 3.0), ("openverse", True, 0.6), ("inaturalist", False, 1.0)]
)
def test_the_pause_between_requests_keeps_the_quota(api, monkeypatch, kind, registered, pause):
    slept = []
    monkeypatch.setattr(api_access, "time", SimpleNamespace(sleep=slept.append, monotonic=time.monotonic))
    if registered:
        monkeypatch.setenv(CLIENT_ID, "me")
        monkeypatch.setenv(CLIENT_SECRET, "s&=e")
        monkeypatch.setattr(api_access, "_openverse_token", lambda fetcher, home: "T0K3N")
    source = {"kind": kind, "per_class": 9, "max_per_query": 9}
    fetcher = fetcher_of(search_of(source, "mine", "frog", ["frog"]), LIMITS)
    assert fetcher.pause == pytest.approx(pause)
    paced = ApiFetcher(LIMITS, api.server_address[1], "http://www.openverse.test", pause)
    for url in (
        "http://www.openverse.test/v1/images/?q=a",
        "http://images1.test/x",
        "http://www.openverse.test/v1/images/?q=b",
    ):
        paced.fetch(url)
    assert slept[0] == 0 and len(slept) == 2 and pause - 0.5 < slept[1] <= pause


def test_inaturalist_is_crawled(api, tmp_path):
    entries = crawled(api, tmp_path, "inaturalist", wanted=12)
    assert len(entries) == 12 and {record.kind for record, _ in entries} == {"inaturalist"}
    assert all(record.license and record.creator.startswith("Ada & ") for record, _ in entries)


def test_a_study_that_needs_more_than_a_day_s_quota_gives_a_warning(monkeypatch):
    study = yaml.safe_load(STUDY)
    monkeypatch.delenv(CLIENT_ID, raising=False)

    def told():
        return [warning for warning in study_warnings(check_config(copy.deepcopy(study))) if "Openverse" in warning]

    assert told() == []
    study["sources"]["mine"]["per_class"] = 2100
    assert "needs about 210 requests, but without an account Openverse answers 200 a day" in told()[0]
    monkeypatch.setenv(CLIENT_ID, "me")
    assert told() == []
