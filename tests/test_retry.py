"""`python -m distillery.retry` repeats requests only to those sources of a study that refused."""

import json
import subprocess
import sys

import pytest

from distillery import retry as command
from distillery.jobs import UserError
from distillery.new.next_command import ROOT
from distillery.retry import (
    forget_refusals,
    old_refusals,
    refusals_to_forget,
    refused_checks,
    refused_pools_of,
    retry_report,
    snakemake_command,
)
from distillery.splits.scenario_plan import NOT_RUN, PLAN_SCHEMA
from distillery.storage.parquet import write_parquet
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.attempts import FILE, count_attempt, read_attempts
from distillery.storage.retrieved.refusals import Refusal
from distillery.storage.retrieved.refused_pools import NOTE, SourceRequest, write_pools
from distillery.storage.retrieved.source_checks import FOLDER, SourceCheck, now


@pytest.fixture
def study(tmp_path):
    """A study in which google refused two classes, sd3 one class, and bing none."""
    for source, refused in (("google", ("cat", "dog")), ("sd3", ("cat",)), ("bing", ())):
        for label in ("cat", "dog"):
            record = ImageRecord(source, label, "google", "http://a.bc/d", failure="not retrieved: HTTP 404")

            def retrieve(label=label, refused=refused, record=record):
                if label in refused:
                    raise Refusal("no", "captcha")
                return [(label, [(record, None)])]

            pool = tmp_path / "resources" / "pools" / source / label
            paths = {label: (pool.with_suffix(".tar"), pool.with_suffix(".jsonl"))}
            settings = {"kind": "google", "unavailable": "skip"}
            store = tmp_path / "resources" / "store" / source
            (store / NOTE).unlink(missing_ok=True)
            write_pools(SourceRequest.of(source, settings, store), paths, retrieve)
    return tmp_path


def test_refusals_are_read_from_the_pools(study, tmp_path_factory):
    assert refused_pools_of(study) == {"google": {"cat": "captcha", "dog": "captcha"}, "sd3": {"cat": "captcha"}}
    (study / "resources" / "pools" / "bing" / "cat.jsonl").write_text("half a li")
    (study / "resources" / "pools" / "bing" / "dog.jsonl").write_text("")
    assert list(refused_pools_of(study)) == ["google", "sd3"]
    assert refused_pools_of(tmp_path_factory.mktemp("new")) == {}


def test_only_refused_classes_are_requested_again(study):
    forget_refusals(study, refusals_to_forget(study))
    assert read_attempts(study / FILE) == {"google": {"cat": 1, "dog": 1}, "sd3": {"cat": 1}}
    assert not (study / "resources" / "store" / "google" / NOTE).exists()
    forget_refusals(study, refusals_to_forget(study, ["google"]))
    assert read_attempts(study / FILE) == {"google": {"cat": 2, "dog": 2}, "sd3": {"cat": 1}}


def test_a_source_that_has_not_refused_ends_in_one_line(study):
    with pytest.raises(UserError, match="^source bing has not refused; those that have: google, sd3. Name another"):
        refusals_to_forget(study, ["google", "bing"])
    assert not (study / FILE).exists()


def test_a_lost_or_damaged_file_of_attempts_starts_anew(tmp_path):
    path = tmp_path / "attempts.json"
    for text in ("", "[]", "{", '{"google": 3}', '{"google": {"cat": "x"}}'):
        path.write_text(text)
        assert read_attempts(path) == {}
    count_attempt("google", ["cat"], path)
    count_attempt("google", ["cat", "dog"], path)
    assert json.loads(path.read_text()) == {"google": {"cat": 2, "dog": 1}}


def test_the_command_says_what_would_be_requested_again(study, monkeypatch, capsys):
    monkeypatch.chdir(study)
    command.main(["--source", "google", "--dry-run"])
    assert capsys.readouterr().out == "source google is requested again: cat, dog (refused: captcha)\n"
    assert not (study / FILE).exists() and refused_pools_of(study)["google"]
    monkeypatch.chdir(study.parent)
    command.main(["--directory", study.name, "-n"])
    assert len(capsys.readouterr().out.splitlines()) == 2
    command.main(["--directory", "nowhere"])
    assert capsys.readouterr().out == "No source has refused: there is nothing to request again.\n"
    with pytest.raises(SystemExit, match="^source x has not refused; no source has"):
        command.main(["--directory", "nowhere", "--source", "x"])


@pytest.mark.parametrize(
    ("options", "cores", "snakefile"),
    [
        ([], True, True),
        (["--cores", "4"], False, True),
        (["-c4", "--keep-going"], False, True),
        (["--workflow-profile=profiles/slurm"], False, True),
        (["-j", "8", "-s", "Snakefile"], False, False),
    ],
)
def test_snakemake_gets_the_user_s_own_options(options, cores, snakefile):
    made = snakemake_command("study", options)
    assert made[-2:] == ["--until", "plan_scenario"] and made[-2 - len(options) : -2] == options
    own = made[: -2 - len(options)]
    assert ("--cores" in own, "--snakefile" in own) == (cores, snakefile) and "study" in own


def test_the_report_says_what_came_and_what_is_still_not_run(study):
    asked = refusals_to_forget(study)
    (study / "resources" / "pools" / "google" / "dog.jsonl").write_text("")
    check = SourceCheck("sd3", "refused", "gated", "Accept its license at https://a.bc", "2026-01-01T00:00:00+00:00")
    check.write(study / FOLDER / "sd3.json")
    columns = {name: [] for name in PLAN_SCHEMA.names}
    for name, reason in (("both", "google refused (captcha)"), ("dogs", ""), ("bing", "")):
        plan = study / "results" / "plans" / f"{name}.parquet"
        write_parquet(plan, columns, PLAN_SCHEMA.with_metadata({NOT_RUN: reason}) if reason else PLAN_SCHEMA)
    was = {"both": "google refused (captcha)", "dogs": "google refused (captcha)", "bing": ""}
    assert retry_report(asked, was, study) == [
        "source google gave images of dog",
        "source google still refuses cat: captcha",
        "source sd3 still refuses cat: captcha. Accept its license at https://a.bc",
        "can be trained now: dogs",
        "still not run: both: google refused (captcha)",
    ]


def test_old_refusals_are_reported_and_kept(study):
    assert old_refusals(study) == []
    for source, when in (("google", "2020-01-01T00:00:00+00:00"), ("sd3", now())):
        SourceCheck(source, "refused", "captcha", "no", when).write(study / FOLDER / f"{source}.json")
    line = "source google refused more than a day ago; to try again: python -m distillery.retry"
    assert old_refusals(study) == [line] and list(refused_checks(study)) == ["google", "sd3"]


def test_the_command_imports_nothing_heavy():
    code = "import sys, distillery.retry; print(sorted({'torch', 'pandas', 'requests', 'pydantic'} & set(sys.modules)))"
    path = {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
