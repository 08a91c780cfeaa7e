"""The check of a search sends one query."""

import pytest

from distillery.config.defaults import source_defaults
from distillery.jobs import UserError
from distillery.sources.engines import ENGINES
from distillery.sources.network import fetching
from distillery.sources.search_check import check_search
from distillery.storage.retrieved.refusals import Refusal
from distillery_demo.web import Server, serve
from distillery_demo.web_index import SearchIndex


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_WAIT_SECONDS", 0.01)


def checked(server, folder, kind, query="frog", **changes):
    source = source_defaults(kind) | {"contact": "me@example.org", "retries": 0} | changes
    del source["max_per_query"]  # like per_class, it is not part of a check
    with serve(server) as port:
        return check_search(source, "mine", query, folder / "not" / "there", port)


@pytest.mark.parametrize("kind", ENGINES)
def test_one_query_tells_whether_a_search_answers(tmp_path, kind):
    server = Server(SearchIndex({"frog": ["frog"]}, 40, seed=0))
    found = checked(server, tmp_path, kind)
    assert (found.source, found.verdict, found.reason) == ("mine", "ok", "") and found.when
    assert len(server.asked) == 1 and list(tmp_path.iterdir()) == []
    assert checked(Server(server.index), tmp_path, kind, query="nothing of that name").verdict == "unknown"


@pytest.mark.parametrize("reason", ["captcha", "consent page", "quota used up", "unreachable"])
def test_a_refusal_is_raised(tmp_path, reason):
    server = Server(SearchIndex({"frog": ["frog"]}, 40, seed=0), {"google": (reason, 0)})
    with pytest.raises(Refusal) as refusal:
        checked(server, tmp_path, "google")
    assert refusal.value.reason == reason and len(server.asked) == 1


def test_a_full_disk_is_an_error_before_the_crawl(tmp_path):
    server = Server(SearchIndex({"frog": ["frog"]}, 40, seed=0))
    with pytest.raises(UserError, match="^disk: .* bytes are free where .* lies, and min_free_bytes is 1,000,0"):
        checked(server, tmp_path, "bing", min_free_bytes=10**18)
    assert server.asked == []


def test_commons_gets_no_request_without_a_contact(tmp_path):
    server = Server(SearchIndex({"frog": ["frog"]}, 40, seed=0))
    with pytest.raises(Refusal, match="page as `contact`") as caught:
        checked(server, tmp_path, "commons", contact="")
    assert caught.value.reason == "no contact" and server.asked == []
