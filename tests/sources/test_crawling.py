"""Crawls of the imitated web give exactly the wanted images, with provenance, and the same ones every time."""

import json
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from distillery.config.defaults import source_defaults
from distillery.jobs import UserError
from distillery.sources import crawl_threads, crawling
from distillery.sources.crawling import crawl
from distillery.sources.engines import ENGINES
from distillery.sources.engines.results import MarkupChanged, SourceBlocked
from distillery.sources.network import fetching
from distillery.sources.network.fetching import Limits
from distillery.sources.search import Search, search_of
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.store import Store
from distillery_demo.web import Server, serve
from distillery_demo.web_index import SearchIndex, WebImage

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
QUERIES = ("frog", "green frog", "frog & toad")
LIMITS = Limits.of(source_defaults("google") | {"contact": "me@example.org", "timeout_seconds": 10, "retries": 1})


def search(kind="google", wanted=30, queries=QUERIES, most=40):
    source = {"kind": kind, "per_class": wanted, "max_per_query": most, "filters": {}}
    return search_of(source, "mine", "frog", queries, imitated=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def web():
    server = Server(SearchIndex({"frog": QUERIES, "cat": ["cat"]}, 40, seed=0))
    with serve(server):
        yield server


def crawled(web, folder, asked=None, **changes):
    return list(crawl(asked or search(**changes), LIMITS, Store(folder), loopback=web.server_address[1]))


def facts(entries):
    """Entries without the time of retrieval."""
    found = [json.loads(record.to_json()) | {"data": data} for record, data in entries]
    return [{name: value for name, value in fields.items() if name != "retrieved"} for fields in found]


def images(web):
    """Requests for images."""
    return [address for address in web.asked if "//www." not in address]


def read_record(file):
    """The record of an image in the store; a digest follows it in the file."""
    return json.loads(file.read_text().splitlines()[0])


@pytest.mark.parametrize("kind", ENGINES)
def test_enough_images_and_no_more(web, tmp_path, kind):
    entries = crawled(web, tmp_path, kind=kind)
    good = [record for record, _ in entries if not record.failure]
    assert len({record.sha256 for record in good}) == 30 and not entries[-1][0].failure
    assert [record.rank for record, _ in entries] == list(range(len(entries)))
    assert all((data is None) == bool(record.failure) for record, data in entries)
    for record in good:
        assert (record.source, record.label, record.kind) == ("mine", "frog", kind)
        assert record.query in QUERIES and record.url and record.page and record.title and record.retrieved
        assert record.declared_width == record.declared_height > 0
        assert record.thumbnail if kind in ("google", "bing") else record.license and record.creator
    # queries share the number: first ten results each, some of them the same, then more in turn
    asked = Counter(record.query for record, _ in entries)
    assert min(asked[query] for query in QUERIES) >= 5


@pytest.mark.parametrize("kind", ENGINES)
def test_the_same_images_whichever_thread_is_faster(web, tmp_path, kind, monkeypatch):
    runs = []
    for number, threads in enumerate((1, 8, 8)):
        monkeypatch.setattr(crawl_threads, "DOWNLOADERS", threads)
        runs.append(facts(crawled(web, tmp_path / str(number), kind=kind, wanted=50)))
    assert runs[0] == runs[1] == runs[2]


def test_a_url_of_two_queries_is_one_candidate_with_both_queries(web, tmp_path):
    entries = crawled(web, tmp_path, wanted=90)
    urls = [record.url for record, _ in entries]
    assert len(set(urls)) == len(urls)
    shared = [record for record, _ in entries if record.duplicate_queries]
    assert shared and all(query.startswith("frog: ") for record in shared for query in record.duplicate_queries)
    assert all(f"frog: {record.query}" not in record.duplicate_queries for record in shared)


class Heavy(Server):
    """Adds zeros to every image."""

    def answer(self, host, path):
        reply = super().answer(host, path)
        weight = bytes(200_000) if reply.content_type.startswith("image/") else b""
        return replace(reply, body=reply.body + weight)


def test_images_wait_in_the_store_not_in_memory(tmp_path):
    server = Heavy(SearchIndex({"frog": QUERIES}, 40, seed=0))
    with serve(server):
        tracemalloc.start()
        entries = crawl(search(wanted=90), LIMITS, Store(tmp_path), loopback=server.server_address[1])
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 90 * 200_000 / 2  # each thread that ends keeps its last image
        first = next(file for file in tmp_path.rglob("*.json") if read_record(file)["rank"] == 0)
        url = read_record(first)["url"]
        first.unlink()
        server.asked.clear()
        good = {record.url: data for record, data in entries if data}
    assert len(good) >= 90 and all(data.endswith(bytes(200_000)) for data in good.values())
    assert url in good and server.asked == [url]


def test_every_failure_has_its_reason(web, tmp_path):
    entries = crawled(web, tmp_path, wanted=95)
    form = {record.url: record.url.rsplit("-", 2)[1] for record, _ in entries}
    reasons = {"gone": "not retrieved: HTTP 404", "note": "not an image: image/jpeg"}
    reasons |= {"reserved": "not retrieved: its server says noai"}
    for record, _ in entries:
        assert record.failure == reasons.get(form[record.url], "")
    assert {"gone", "note", "moved", "busy", "half"} <= set(form.values())


def test_a_second_crawl_fetches_nothing_and_wanting_more_only_more(web, tmp_path):
    first = crawled(web, tmp_path, wanted=20)
    web.asked.clear()
    again = crawled(web, tmp_path, wanted=20)
    assert again == first
    failed = {record.url for record, _ in first if record.failure}
    # downloaders fetch a few images more than turn out to be enough
    ahead = set(images(web)) - {record.url for record, _ in first}
    assert set(images(web)) <= failed | ahead and len(ahead) <= 6 * crawl_threads.DOWNLOADERS
    web.asked.clear()
    more = crawled(web, tmp_path, wanted=60)
    good = {record.url for record, _ in first if not record.failure}
    assert not good & set(images(web)) and len([1 for record, _ in more if not record.failure]) >= 60


def test_results_that_end_early_give_all_of_them(web, tmp_path):
    entries = crawled(web, tmp_path, wanted=500, queries=("frog", "nothing of that name"))
    assert len(entries) == len({shot.url for shot in web.index.find("google", "frog")})


def test_no_more_of_a_query_than_allowed(web, tmp_path):
    entries = crawled(web, tmp_path, wanted=500, most=7)
    assert max(Counter(record.query for record, _ in entries).values()) <= 7
    assert 3 * 7 - 4 <= len(entries) <= 3 * 7


# --- refusals ---------------------------------------------------------------------------------------------------------


class Refusing(Server):
    """The imitated web, whose searches return a given page after a number of real ones."""

    def __init__(self, index, page, after=0):
        self.page, self.left = page, after
        super().__init__(index)

    def _results(self, *arguments):
        reply = super()._results(*arguments)
        self.left -= 1
        return reply if self.left >= 0 else type(reply)(self.page)


CAPTCHA = b"<form id='captcha-form'></form>"


@pytest.mark.parametrize("page, refusal", [(CAPTCHA, SourceBlocked), (b"<img src=x>" * 20, MarkupChanged)])
def test_a_search_that_refuses_from_the_start(tmp_path, page, refusal):
    server = Refusing(SearchIndex({"frog": QUERIES}, 40, 0), page)
    with serve(server), pytest.raises(refusal, match="^source mine, class frog: Google answered with") as raised:
        crawled(server, tmp_path)
    assert raised.value.reason == ("captcha" if refusal is SourceBlocked else "unreadable page")
    # after a block there are no more requests; an unreadable page may concern only its query
    assert len(server.asked) == (1 if refusal is SourceBlocked else 3)


def test_a_search_that_stops_answering_gives_what_was_found(tmp_path, caplog, monkeypatch):
    warnings = []
    monkeypatch.setattr(crawling.log, "warning", lambda text, *values: warnings.append(text % values))
    server = Refusing(SearchIndex({"frog": QUERIES}, 40, 0), CAPTCHA, after=1)
    with serve(server):
        entries = crawled(server, tmp_path, wanted=100)
    found = {shot.url for shot in server.index.find("google", "frog")}
    assert {record.url for record, _ in entries} == found
    assert "stopped answering" in warnings[0] and "a captcha" in warnings[0] and "of 100 requested" in warnings[1]


def test_a_class_cut_short_by_a_captcha_is_refused_where_it_must_be_whole(tmp_path):
    server = Refusing(SearchIndex({"frog": QUERIES}, 40, 0), CAPTCHA, after=1)
    with serve(server):
        port, store = server.server_address[1], Store(tmp_path)
        with pytest.raises(SourceBlocked, match="^source mine, class frog: Google answered with a captcha"):
            crawl(search(wanted=100), LIMITS, store, loopback=port, whole=True)
        found = {read_record(file)["url"] for file in tmp_path.rglob("*.json")}
        assert len(found) > 20  # they stay in the store
        server.left = 100
        server.asked.clear()
        list(crawl(search(wanted=90), LIMITS, store, loopback=port, whole=True))
        assert not found & set(images(server))
        server.left = 1  # enough images before the captcha
        assert list(crawl(search(wanted=10), LIMITS, Store(tmp_path / "other"), loopback=port, whole=True))


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("reason, asked", [("quota used up", 2), ("unreachable", 6)])
def test_a_used_up_quota_ends_all_queries_and_a_failure_one(tmp_path, kind, reason, asked):
    server = Server(SearchIndex({"frog": QUERIES}, 40, 0), {kind: (reason, 0)})
    with serve(server), pytest.raises(Refusal, match="^source mine, class frog: the search") as refusal:
        crawled(server, tmp_path, kind=kind)
    assert refusal.value.reason == reason and len(server.asked) == asked  # each request is repeated once


def test_a_search_that_cannot_be_reached_is_an_error(tmp_path):
    nowhere = Search("mine", "bing", "frog", ("frog",), 5, 5, home="http://127.0.0.1:9")
    with pytest.raises(
        UserError, match="^source mine, class frog: the search did not answer .not retrieved: not a public"
    ):
        list(crawl(nowhere, LIMITS, Store(tmp_path)))


def test_no_image_at_all_is_an_error(tmp_path, monkeypatch):
    gone = [WebImage("google", "frog", number, "gone", 96, "jpg") for number in range(12)]
    server = Server(SearchIndex({}, 0, 0))
    monkeypatch.setattr(server.index, "find", lambda kind, query: gone)
    with serve(server), pytest.raises(Refusal, match="none of 12 candidates could be retrieved") as refusal:
        crawled(server, tmp_path)
    assert refusal.value.reason == "nothing found"


def test_more_results_than_the_queue_holds_while_images_are_slow(tmp_path, monkeypatch):
    """icrawler's queue drops tasks when it is full, but no result may be lost."""
    server = Server(SearchIndex({"frog": QUERIES}, 200, 0))
    retrieve = crawl_threads.retrieve
    monkeypatch.setattr(crawl_threads, "retrieve", lambda *arguments: (time.sleep(0.03), retrieve(*arguments))[1])
    with serve(server):
        entries = crawled(server, tmp_path, wanted=10_000, queries=("frog",), most=200)
    assert [record.url for record, _ in entries] == list(
        dict.fromkeys(s.url for s in server.index.find("google", "frog"))
    )


def test_numbered_pages_of_a_search_are_requested_in_order(web, tmp_path):
    crawled(web, tmp_path, kind="openverse", wanted=500, queries=("frog",), most=100)
    asked = [address.partition("&page=")[2].partition("&")[0] for address in web.asked if "openverse" in address]
    assert asked == ["1", "2", "3"]


def test_a_full_disk_ends_the_crawl_in_one_line_and_nothing_is_lost(web, tmp_path):
    limits = {"max_store_bytes": 40_000}
    with pytest.raises(UserError, match="would hold more than 40,000 bytes; what was retrieved is kept"):
        list(crawl(search(), LIMITS, Store.of(tmp_path, limits), loopback=web.server_address[1]))
    kept = {read_record(file)["url"] for file in tmp_path.rglob("*.json")}
    assert len(kept) > 3 and sum(file.stat().st_size for file in tmp_path.rglob("*.bin")) <= 40_000
    with pytest.raises(UserError, match="disk: store .* would leave less than"):
        list(crawl(search(), LIMITS, Store(tmp_path, free=10**18), loopback=web.server_address[1]))
    web.asked.clear()
    crawled(web, tmp_path)
    assert not kept & set(images(web))


@pytest.mark.parametrize("part", ["put", "get"])
def test_an_error_in_a_thread_ends_the_crawl(web, tmp_path, monkeypatch, part):
    def broken(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(Store, part, broken)
    before = threading.active_count()
    with pytest.raises(OSError, match="No space left"):
        crawled(web, tmp_path)
    assert threading.active_count() <= before + 8  # all threads end soon


# --- as a job ---------------------------------------------------------------------------------------------------------

JOB = """
import sys
from types import SimpleNamespace as Space
sys.path.insert(0, {scripts!r})
source = {source!r}
params = Space(source=source, name="mine", label="frog", queries=["frog", "green frog"],
               store={folder!r} + "/store", demo=dict(results_per_query=40, seed=0))
output = Space(shard={folder!r} + "/frog.tar", records={folder!r} + "/frog.jsonl")
crawl_policy = dict(contact="", connections_per_host=2, max_store_bytes=0, min_free_bytes=0)
job_input, job_log = Space(check=""), [{folder!r} + "/log"]
snakemake = Space(input=job_input, params=params, output=output, resources=crawl_policy, log=job_log)
exec(compile(open({scripts!r} + "/crawl.py").read(), "crawl.py", "exec"))
heavy = {{"torch", "pydantic", "pandas", "matplotlib", "diffusers", "pyarrow", "scipy"}}
print(sorted({{name.partition(".")[0] for name in sys.modules}} & heavy))
"""


def test_a_killed_job_resumes(tmp_path):
    changes = {"per_class": 25, "max_per_query": 40, "filters": {}, "retries": 1, "timeout_seconds": 5}
    source = source_defaults("google") | changes
    code = JOB.format(scripts=str(SCRIPTS), folder=str(tmp_path), source=source)
    killed = subprocess.Popen([sys.executable, "-c", code])
    while killed.poll() is None and len(list((tmp_path / "store").rglob("*.json"))) < 3:
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    kept = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*.json")}
    assert len(kept) >= 3 and not (tmp_path / "frog.tar").exists()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"  # a crawl imports no heavy library
    assert all(path.read_bytes() == record for path, record in kept.items())
    lines = [json.loads(line) for line in (tmp_path / "frog.jsonl").read_text().splitlines()]
    assert len({line["sha256"] for line in lines if "failure" not in line}) == 25
