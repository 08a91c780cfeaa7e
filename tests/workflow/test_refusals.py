"""Sources that refuse in a whole workflow: their pools record it, and a retry requests only them."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from running import ROOT, environment

from distillery.file_digests import forget_digests
from distillery.retry import forget_refusals, refusals_to_forget, refused_pools_of
from distillery.storage.retrieved.source_checks import read_check
from distillery_demo.web import REFUSING

from .conftest import CLASSES, STUDY, Study, files_below, rows, wildcards, write_own_images

pytestmark = pytest.mark.slow
SOURCES = ("google", "bing", "sd2")
SMALL = STUDY | {
    "sources": {name: STUDY["sources"][name] for name in SOURCES} | {"google": {"kind": "google", "per_class": 20}},
    "split": {"test": {"google": 9, "bing": 6}, "val": {"google": 3}},
    "scenarios": {name: STUDY["scenarios"][name] for name in ("web", "color", "sd2")},
}
POOLS = [f"resources/pools/{source}/{label}.jsonl" for source in SOURCES[:2] for label in CLASSES]


def test_a_captcha_in_the_middle_of_a_class_and_a_retry_after_it(tmp_path, monkeypatch):
    study = Study(tmp_path, SMALL | {"unavailable": "skip"})
    monkeypatch.setenv(REFUSING, "google: captcha after 1")
    said = study.run(*POOLS)
    assert read_check(tmp_path / "resources/preflight/google.json").verdict == "ok"  # its first page came
    refused = {"google": dict.fromkeys(CLASSES, "captcha")}
    assert refused_pools_of(tmp_path) == refused
    assert said.count("WARNING: source google, class") <= 2  # the job's line, and Snakemake's copy of it
    assert "python -m distillery.retry" in said
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "resources" / "store").rglob("*.bin")}
    assert kept and study.planned(*POOLS) == []  # a refusal is a result

    forget_refusals(tmp_path, refusals_to_forget(tmp_path))
    monkeypatch.delenv(REFUSING)
    jobs = study.planned(*POOLS)
    assert wildcards(jobs, "crawl") == {f"source=google, label={label}" for label in CLASSES}
    assert {rule for rule, _ in jobs} == {"crawl"}
    study.run(*POOLS)
    assert refused_pools_of(tmp_path) == {} and study.planned(*POOLS) == []
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())  # nothing was retrieved twice


def test_a_refused_check_prevents_the_crawl_and_an_old_refusal_is_reported(tmp_path, monkeypatch):
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
    replace(read_check(path), when=old).write(path)
    forget_digests([path])
    # only a retry sends requests again: if the usual command did, all trainings would run again
    done = study.snakemake("--dry-run", *google, *bing, table)
    assert "source google refused more than a day ago; to try again: python -m distillery.retry" in done.stderr
    assert study.planned(*google, *bing) == []
    (tmp_path / google[0]).unlink()
    study.run(*google, *bing)  # missing pools are retrieved, because an old refusal is ignored
    assert refused_pools_of(tmp_path) == {"google": {CLASSES[1]: "captcha"}}
    forget_refusals(tmp_path, refusals_to_forget(tmp_path))
    study.run(*google, *bing, table)
    assert "google  ok" in (tmp_path / table).read_text()
    assert refused_pools_of(tmp_path) == {} and read_check(path).verdict == "ok"
    # neither a repeated check nor a missing one retrieves anything again
    study.configure(study.config | {"preflight": False, "unavailable": "stop"})
    assert study.planned(*google, *bing, table) == []


def test_with_stop_a_captcha_ends_in_one_line(tmp_path, monkeypatch):
    study = Study(tmp_path, SMALL)
    monkeypatch.setenv(REFUSING, "google: captcha")
    done = study.snakemake("resources/pools/google/frog.jsonl")
    assert done.returncode == 1 and "ERROR: Google answered with a captcha" in done.stderr
    assert not (tmp_path / "resources" / "pools" / "google" / "frog.tar").exists()


def forget_checks(folder):
    """Change a study's pools to those of a version without checks: no results, and none in the records of jobs."""
    for path in (folder / "resources" / "preflight").iterdir():
        if path.is_file():
            path.unlink()
    for path in (folder / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            record["input"] = [name for name in record["input"] if not name.startswith("resources/preflight/")]
            path.write_text(json.dumps(record))


def test_pools_that_no_check_preceded_are_kept_by_the_changelog_s_commands(copied, monkeypatch):
    monkeypatch.setenv(REFUSING, "google: captcha")  # no request is sent
    forget_checks(copied.folder)
    assert "crawl" in {rule for rule, _ in copied.planned()}
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    commands = [line.split("snakemake ", 1)[1].split() for line in text.splitlines() if line.startswith("      .venv")]
    assert len(commands) == 2 and "--touch" in commands[1]
    before = {path: path.read_bytes() for path in files_below(copied.folder / "resources" / "pools")}
    for given in commands:
        done = copied.snakemake(*given)
        assert done.returncode == 0, done.stderr[-3000:]
    assert before and {path: path.read_bytes() for path in before} == before
    retrieving = ("check", "crawl", "fetch", "import", "generate", "prepare")
    assert [rule for rule, _ in copied.planned() if rule.startswith(retrieving)] == []


TABLES = ("results/tables/summary.csv", "results/tables/runs.csv")
REFUSED_FIRST = STUDY | {
    "seeds": 1,
    "sources": {name: SMALL["sources"][name] for name in ("google", "bing")} | {"mine": STUDY["sources"]["mine"]},
    "split": {"test": {"google": 9, "bing": 6}, "val": {"google": 3, "bing": 3}},
    "scenarios": {
        "web": {"train": {"google": 12, "bing": 6}},
        "bing": {"train": {"bing": 6}},
        "mine": {"train": {"mine": 6}},
    },
    "unavailable": "skip",
}


def test_a_retry_trains_only_what_was_missing(tmp_path, monkeypatch):
    write_own_images(tmp_path / "study")
    study = Study(tmp_path / "study", REFUSED_FIRST)
    results = study.folder / "results"
    monkeypatch.setenv(REFUSING, "google: captcha after 1")
    study.run(*TABLES)
    summary = {(row["scenario"], row["arm"]): row for row in rows(study.folder / TABLES[0])}
    assert {name for (name, _), row in summary.items() if row["not_run"]} == {"web"}
    finished = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for name in ("bing", "mine")
        for path in [results / "plans" / f"{name}.parquet", *files_below(results / "runs" / name)]
    }
    of_training = [path for path in finished if path.name in ("model.safetensors", "history.csv", "training.json")]
    assert len(of_training) == 2 * 2 * 3

    monkeypatch.delenv(REFUSING)
    retry = [sys.executable, "-m", "distillery.retry", "--directory", str(study.folder), "--cores", "2"]
    path = {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    done = subprocess.run(retry, cwd=ROOT, env=environment() | path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-6000:]
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        f"source google is requested again: {', '.join(CLASSES)} (refused: captcha)",
        f"source google gave images of {', '.join(CLASSES)}",
        "can be trained now: web",
    ]
    assert "train_student" not in done.stderr
    for name in ("bing", "mine"):
        plan = results / "plans" / f"{name}.parquet"
        assert plan.read_bytes() == finished[plan][1]

    jobs = study.planned(*TABLES)
    arms = {"arm=scratch", "arm=kd"}
    assert wildcards(jobs, "train_student") == {f"scenario=web, {arm}" for arm in arms}
    tested = {f"scenario={name}, {arm}" for name in REFUSED_FIRST["scenarios"] for arm in arms}
    assert wildcards(jobs, "evaluate_students") == tested
    # no job before the trainings
    assert not {"crawl", "curate", "split", "plan_scenario", "train_teacher"} & {rule for rule, _ in jobs}
    study.run(*TABLES)
    assert all((path.stat().st_mtime_ns, path.read_bytes()) == finished[path] for path in of_training)
    summary = {(row["scenario"], row["arm"]): row for row in rows(study.folder / TABLES[0])}
    assert len(summary) == 6 and not any(row["not_run"] for row in summary.values())
    # test images of Google and Bing; source mine has two of three classes
    assert {name: row["n_test"] for (name, _), row in summary.items()} == {"web": "15", "bing": "15", "mine": "10"}
    assert study.planned(*TABLES) == []

    write_own_images(tmp_path / "whole")
    whole, model = Study(tmp_path / "whole", REFUSED_FIRST), "results/runs/mine/scratch/seed0/model.safetensors"
    whole.run(model)  # the same study, with Google from the start
    assert (whole.folder / model).read_bytes() == (study.folder / model).read_bytes()
