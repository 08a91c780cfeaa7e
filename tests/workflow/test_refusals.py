"""Sources that refuse, in a whole workflow: their pools say so, and only they are asked again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from distillery.retry import refused_pools_of, retry
from distillery.storage.verdicts import read_verdict
from distillery_demo.web import REFUSING

from .conftest import CLASSES, STUDY, Study, wildcards

pytestmark = pytest.mark.slow
SOURCES = ("google", "bing", "sd2")
SMALL = STUDY | {
    "sources": {name: STUDY["sources"][name] for name in SOURCES} | {"google": {"kind": "google", "per_class": 20}},
    "split": {"test": {"google": 9, "bing": 6}, "val": {"google": 3}},
    "scenarios": {name: STUDY["scenarios"][name] for name in ("web", "color", "sd2")},
}
POOLS = [f"resources/pools/{source}/{label}.jsonl" for source in SOURCES for label in CLASSES]


def test_a_captcha_in_the_middle_of_a_class_and_the_way_on(tmp_path, monkeypatch):
    study = Study(tmp_path, SMALL | {"unavailable": "skip"})
    monkeypatch.setenv(REFUSING, "google: captcha after 1")
    said = study.run(*POOLS)
    assert read_verdict(tmp_path / "resources/preflight/google.json").verdict == "ok"  # the first page was given
    refused = {"google": dict.fromkeys(CLASSES, "captcha")}
    assert refused_pools_of(tmp_path) == refused
    assert said.count("WARNING: source google, class") <= 2  # the job's own line, and Snakemake's copy of it
    assert "python -m distillery.retry" in said
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "resources" / "store").rglob("*.bin")}
    assert kept and study.planned(*POOLS) == []  # a refusal is a result

    retry(tmp_path)
    monkeypatch.delenv(REFUSING)
    jobs = study.planned(*POOLS)
    assert wildcards(jobs, "crawl") == {f"source=google, label={label}" for label in CLASSES}
    assert {rule for rule, _ in jobs} == {"crawl"}
    study.run(*POOLS)
    assert refused_pools_of(tmp_path) == {} and study.planned(*POOLS) == []
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())  # nothing was retrieved twice


def test_a_refused_look_spares_the_crawl_and_an_old_one_is_asked_again(tmp_path, monkeypatch):
    study = Study(tmp_path, SMALL | {"unavailable": "skip"})
    monkeypatch.setenv(REFUSING, "google: captcha")
    google, bing = ([f"resources/pools/{source}/{label}.jsonl" for label in CLASSES[:2]] for source in SOURCES[:2])
    table = "resources/preflight/table.txt"
    said = study.run(*google, *bing, table)
    text = (tmp_path / table).read_text()
    assert text in said  # on the terminal
    assert [line.split()[:2] for line in text.splitlines()[1:4]] == [
        ["google", "refused"], ["bing", "ok"], ["sd2", "ok"],
    ]  # fmt: skip
    assert refused_pools_of(tmp_path) == {"google": dict.fromkeys(CLASSES[:2], "captcha")}
    assert not (tmp_path / "resources" / "store" / "google").exists()
    assert study.planned(*google, *bing) == []

    monkeypatch.delenv(REFUSING)
    path = tmp_path / "resources" / "preflight" / "google.json"
    old = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    replace(read_verdict(path), when=old).write(path)
    study.run(*google, *bing, table)
    assert "google  ok" in (tmp_path / table).read_text()
    assert refused_pools_of(tmp_path) == {} and read_verdict(path).verdict == "ok"
    # another look retrieves nothing again, and neither does none
    study.configure(study.config | {"preflight": False, "unavailable": "stop"})
    assert study.planned(*google, *bing, table) == []


def test_with_stop_a_captcha_ends_in_one_line(tmp_path, monkeypatch):
    study = Study(tmp_path, SMALL)
    monkeypatch.setenv(REFUSING, "google: captcha")
    done = study.snakemake("resources/pools/google/frog.jsonl")
    assert done.returncode == 1 and "ERROR: Google answered with a captcha" in done.stderr
    assert not (tmp_path / "resources" / "pools" / "google" / "frog.tar").exists()
