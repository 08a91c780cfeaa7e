"""`python -m distillery.retry` forgets the refusals of a study, and nothing else."""

import json
import subprocess
import sys

import pytest

from distillery import retry as command
from distillery.jobs import UserError
from distillery.new import ROOT
from distillery.retry import refused_pools_of, retry
from distillery.storage.attempts import FILE, count_attempt, read_attempts
from distillery.storage.records import ImageRecord
from distillery.storage.refusals import Refusal
from distillery.storage.refused_pools import NOTE, SourceRequest, write_pools


@pytest.fixture
def study(tmp_path):
    """A study in which google refused two classes, sd3 one, and bing none."""
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


def test_only_refused_classes_are_asked_again(study):
    retry(study)
    assert read_attempts(study / FILE) == {"google": {"cat": 1, "dog": 1}, "sd3": {"cat": 1}}
    assert not (study / "resources" / "store" / "google" / NOTE).exists()
    retry(study, ["google"])
    assert read_attempts(study / FILE) == {"google": {"cat": 2, "dog": 2}, "sd3": {"cat": 1}}


def test_a_source_that_has_not_refused_ends_in_one_line(study):
    with pytest.raises(UserError, match="^source bing has not refused; those that did are google, sd3. Name another"):
        retry(study, ["google", "bing"])
    assert not (study / FILE).exists()


def test_a_lost_or_damaged_file_of_attempts_starts_anew(tmp_path):
    path = tmp_path / "attempts.json"
    for text in ("", "[]", "{", '{"google": 3}', '{"google": {"cat": "x"}}'):
        path.write_text(text)
        assert read_attempts(path) == {}
    count_attempt("google", ["cat"], path)
    count_attempt("google", ["cat", "dog"], path)
    assert json.loads(path.read_text()) == {"google": {"cat": 2, "dog": 1}}


def test_the_command_says_what_is_asked_again_and_the_next_command(study, monkeypatch, capsys):
    monkeypatch.chdir(study)
    command.main(["--source", "google"])
    said = capsys.readouterr().out
    assert said.startswith("source google is asked again: captcha (2 of its classes)\nThen:\n  ")
    assert "--directory" not in said and said.rstrip().endswith("--cores all")
    monkeypatch.chdir(study.parent)
    command.main(["--directory", study.name])
    assert f"--directory {study.name} --cores all" in capsys.readouterr().out
    command.main(["--directory", "nowhere"])
    assert capsys.readouterr().out == "No source has refused: there is nothing to ask again.\n"
    with pytest.raises(SystemExit, match="^source x has not refused; none has"):
        command.main(["--directory", "nowhere", "--source", "x"])


def test_it_answers_at_once():
    code = "import sys, distillery.retry; print(sorted({'torch', 'pandas', 'requests', 'pydantic'} & set(sys.modules)))"
    path = {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
