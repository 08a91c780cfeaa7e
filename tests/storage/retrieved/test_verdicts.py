"""Verdicts of looks at sources: a refusal is valid for a day, during which jobs that retrieve send no requests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from distillery.retry import forget_refusals, old_refusals, refusals_to_forget, refused_looks
from distillery.storage.retrieved.pools import read_pool
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.refused_pools import SourceRequest, verdict_of, write_pools
from distillery.storage.retrieved.verdicts import FOLDER, Verdict, now, read_verdict, verdict_table

REFUSED = Verdict("google", "refused", "captcha", "Google asks for a captcha. Take another source.", now())
OLD = (datetime.now(UTC) - timedelta(hours=25)).isoformat()


def refuse():
    raise Refusal(REFUSED.remedy, REFUSED.reason)


def request(folder, unavailable="skip", look=""):
    return SourceRequest.of("google", {"kind": "google", "unavailable": unavailable}, folder / "store", look)


def test_a_verdict_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "google.json"
    REFUSED.write(path)
    assert read_verdict(path) == REFUSED and str(REFUSED.refusal()) == REFUSED.remedy
    for text in ("", "[]", "{}", '{"source": "x", "verdict": "ok", "more": 1}'):
        path.write_text(text)
        assert read_verdict(path) is None
    assert read_verdict(tmp_path / "missing.json") is None


@pytest.mark.parametrize("when, expired", [(now(), False), (OLD, True), ("", True)], ids=["new", "old", "none"])
def test_only_a_refusal_expires(when, expired):
    assert replace(REFUSED, when=when).expired() == expired
    assert not Verdict("google", "ok", when=when).expired() and Verdict("google", "ok").refusal() is None


def test_a_look_finds_a_verdict_and_with_stop_an_error(tmp_path, caplog):
    caplog.set_level("INFO", logger="distillery")
    assert replace(verdict_of(request(tmp_path), True, refuse), when="") == replace(REFUSED, when="")
    (told,) = [each.getMessage() for each in caplog.records if each.levelname == "OUTCOME"]  # for the terminal
    assert told == f"refused: {REFUSED.remedy}"
    with pytest.raises(Refusal, match="captcha"):
        verdict_of(request(tmp_path, "stop"), True, refuse)
    ok = Verdict("google", "ok")
    assert verdict_of(request(tmp_path), True, lambda: ok) == ok
    assert verdict_of(request(tmp_path), False, refuse).verdict == "unknown"  # no look takes place


def test_after_a_refused_look_no_class_sends_requests(tmp_path):
    look, paths = tmp_path / "google.json", (tmp_path / "cat.tar", tmp_path / "cat.jsonl")
    REFUSED.write(look)
    write_pools(request(tmp_path, look=look), {"cat": paths}, lambda: pytest.fail("the source was asked"))
    assert [record.failure for record, _ in read_pool(*paths)] == ["refused: captcha"]
    replace(REFUSED, when=OLD).write(look)
    write_pools(request(tmp_path, look=look), {"cat": paths}, lambda: [("cat", [])])
    assert list(read_pool(*paths)) == []


def test_a_refused_look_is_forgotten_by_the_retry(tmp_path):
    REFUSED.write(tmp_path / FOLDER / "google.json")
    Verdict("bing", "ok", when=OLD).write(tmp_path / FOLDER / "bing.json")
    assert old_refusals(tmp_path) == [] and list(refused_looks(tmp_path)) == ["google"]
    refused = refusals_to_forget(tmp_path)
    assert refused == {"google": {}}
    forget_refusals(tmp_path, refused)
    assert sorted(path.name for path in (tmp_path / FOLDER).glob("*.json")) == ["attempts.json", "bing.json"]
    replace(REFUSED, when=OLD).write(tmp_path / FOLDER / "google.json")
    assert old_refusals(tmp_path) and list(refused_looks(tmp_path)) == ["google"]


def test_the_table_names_what_is_refused_and_the_way_on():
    lines = verdict_table([Verdict("bing", "ok"), REFUSED]).splitlines()
    assert lines[0].split() == ["source", "verdict", "reason", "remedy"] and lines[1].split() == ["bing", "ok"]
    assert lines[2] == f"google  refused  captcha  {REFUSED.remedy}"
    assert lines[3].startswith("Scenarios that need google are left out.") and "distillery.retry" in lines[3]
    assert "retry" not in verdict_table([Verdict("bing", "ok")])


def test_a_refusal_dated_in_the_future_is_ignored():
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    assert replace(REFUSED, when=later).expired()
