"""Checks of sources before a run: a refusal is valid for a day, during which jobs that retrieve send no requests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from distillery.retry import forget_refusals, old_refusals, refusals_to_forget, refused_checks
from distillery.storage.retrieved.pools import read_pool
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.refused_pools import SourceRequest, run_check, write_pools
from distillery.storage.retrieved.source_checks import FOLDER, SourceCheck, check_table, now, read_check

REFUSED = SourceCheck("google", "refused", "captcha", "Google asks for a captcha. Take another source.", now())
OLD = (datetime.now(UTC) - timedelta(hours=25)).isoformat()


def refuse():
    raise Refusal(REFUSED.remedy, REFUSED.reason)


def request(folder, unavailable="skip", check=""):
    return SourceRequest.of("google", {"kind": "google", "unavailable": unavailable}, folder / "store", check)


def test_a_result_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "google.json"
    REFUSED.write(path)
    assert read_check(path) == REFUSED and str(REFUSED.refusal()) == REFUSED.remedy
    for text in ("", "[]", "{}", '{"source": "x", "verdict": "ok", "more": 1}'):
        path.write_text(text)
        assert read_check(path) is None
    assert read_check(tmp_path / "missing.json") is None


@pytest.mark.parametrize("when, expired", [(now(), False), (OLD, True), ("", True)], ids=["new", "old", "none"])
def test_only_a_refusal_expires(when, expired):
    assert replace(REFUSED, when=when).expired() == expired
    assert not SourceCheck("google", "ok", when=when).expired() and SourceCheck("google", "ok").refusal() is None


def test_a_check_gives_a_result_and_with_stop_an_error(tmp_path, caplog):
    caplog.set_level("INFO", logger="distillery")
    assert replace(run_check(request(tmp_path), True, refuse), when="") == replace(REFUSED, when="")
    (told,) = [each.getMessage() for each in caplog.records if each.levelname == "OUTCOME"]  # for the terminal
    assert told == f"refused: {REFUSED.remedy}"
    with pytest.raises(Refusal, match="captcha"):
        run_check(request(tmp_path, "stop"), True, refuse)
    ok = SourceCheck("google", "ok")
    assert run_check(request(tmp_path), True, lambda: ok) == ok
    assert run_check(request(tmp_path), False, refuse).verdict == "unknown"  # nothing is checked


def test_after_a_refused_check_no_class_sends_requests(tmp_path):
    check, paths = tmp_path / "google.json", (tmp_path / "cat.tar", tmp_path / "cat.jsonl")
    REFUSED.write(check)
    write_pools(request(tmp_path, check=check), {"cat": paths}, lambda: pytest.fail("the source was asked"))
    assert [record.failure for record, _ in read_pool(*paths)] == ["refused: captcha"]
    replace(REFUSED, when=OLD).write(check)
    write_pools(request(tmp_path, check=check), {"cat": paths}, lambda: [("cat", [])])
    assert list(read_pool(*paths)) == []


def test_a_refused_check_is_forgotten_by_the_retry(tmp_path):
    REFUSED.write(tmp_path / FOLDER / "google.json")
    SourceCheck("bing", "ok", when=OLD).write(tmp_path / FOLDER / "bing.json")
    assert old_refusals(tmp_path) == [] and list(refused_checks(tmp_path)) == ["google"]
    refused = refusals_to_forget(tmp_path)
    assert refused == {"google": {}}
    forget_refusals(tmp_path, refused)
    assert sorted(path.name for path in (tmp_path / FOLDER).glob("*.json")) == ["attempts.json", "bing.json"]
    replace(REFUSED, when=OLD).write(tmp_path / FOLDER / "google.json")
    assert old_refusals(tmp_path) and list(refused_checks(tmp_path)) == ["google"]


def test_the_table_names_what_is_refused_and_the_way_on():
    lines = check_table([SourceCheck("bing", "ok"), REFUSED]).splitlines()
    assert lines[0].split() == ["source", "verdict", "reason", "remedy"] and lines[1].split() == ["bing", "ok"]
    assert lines[2] == f"google  refused  captcha  {REFUSED.remedy}"
    assert lines[3].startswith("Scenarios that need google are left out.") and "distillery.retry" in lines[3]
    assert "retry" not in check_table([SourceCheck("bing", "ok")])


def test_a_refusal_dated_in_the_future_is_ignored():
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    assert replace(REFUSED, when=later).expired()
