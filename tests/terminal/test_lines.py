"""The lines on the terminal of a real Snakemake run with a small workflow."""

import io
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT

from distillery.terminal.lines import STOPS, Terminal, duration, job_name, short_reason
from distillery.terminal.run_digest import run_digest

SNAKEFILE = """
import sys
sys.path.insert(0, {library!r})
from distillery.terminal.lines import show_lines

terminal = show_lines(workflow.output_settings)

rule all:
    input: expand("made/{{label}}.txt", label=["cat", "dog", "ship"]), "broken.txt"

rule make:
    output: "made/{{label}}.txt"
    log: "logs/make/{{label}}.log"
    shell: "echo '2026-11-30 09:00:00,000 WARNING source bing, class {{wildcards.label}}: 38 images of 40' > {{log}}"
           " && echo '2026-11-30 09:00:01,000 OUTCOME 38 images kept' >> {{log}}"
           " && echo '2026-11-30 09:00:01,000 INFO done' >> {{log}} && touch {{output}}"

rule break_off:
    output: "broken.txt"
    log: "logs/break_off.log"
    shell: "echo '2026-11-30 09:00:00,000 ERROR the mill is broken. Mend it.' > {{log}}; exit 1"

rule vanish:
    output: "vanished.txt"
    log: "logs/vanish.log"
    shell: "echo '2026-11-30 09:00:00,000 INFO begun' > {{log}}; kill -9 $$"

onsuccess: terminal.end(["what was made"], log, success=True)
onerror: terminal.end(["what was made"], log, success=False)
"""


@pytest.fixture(scope="module")
def workflow(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("workflow")
    (folder / "Snakefile").write_text(SNAKEFILE.format(library=str(ROOT / "workflow" / "scripts")))
    return folder


def said(folder: Path, *arguments: str) -> str:
    """What Snakemake prints; of these runs only dry-runs succeed."""
    start = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", *arguments]
    done = subprocess.run(start, cwd=folder, capture_output=True, text=True)
    assert done.returncode == (0 if "--dry-run" in arguments else 1), done.stderr
    return done.stderr + done.stdout


def test_a_dry_run_is_a_table_and_each_job_with_its_reason(workflow):
    text = said(workflow, "--dry-run")
    assert re.search(r"^make +3$", text, re.M) and text.count("Job stats") == 1
    assert "  make cat: Missing output files: made/cat.txt" in text
    assert len(text.splitlines()) < 20
    assert "rule make:" in said(workflow, "--dry-run", "--printshellcmds")


def test_a_line_for_each_job_each_warning_once_and_the_reasons_last(workflow):
    lines = said(workflow).splitlines()
    finished = [
        line for line in lines if re.match(r"\d\d:\d\d \d of 5: make (cat|dog|ship), \d s: 38 images kept$", line)
    ]
    assert len(finished) == 3
    assert [line for line in lines if "images of 40" in line] == [
        line for line in lines if re.match(r"WARNING: source bing, class \w+: 38 images of 40$", line)
    ][:1]
    assert "2 more warnings like those above: grep -rn WARNING results/logs" in lines
    assert lines[-1] == "  break_off: the mill is broken. Mend it. (log: logs/break_off.log)"
    assert "Exiting because" not in "\n".join(lines) and "what was made" in lines
    (log,) = [line.removeprefix("Full log: ") for line in lines if line.startswith("Full log: ")]
    assert "rule make:" in (workflow / log).read_text()  # the log file has all of Snakemake's own lines


def test_a_job_that_is_killed_without_output_is_reported_with_the_likely_cause(workflow):
    last = said(workflow, "vanished.txt").splitlines()[-1]
    assert last.startswith("  vanish: it gave no reason") and "lack of memory" in last and "logs/vanish.log" in last


def test_a_run_that_is_asked_to_end_says_once_that_it_waits_for_running_jobs():
    stream = io.StringIO()
    handler = Terminal(stream, dryrun=False)
    for _ in range(3):  # Snakemake says so again after each job
        handler.emit(logging.makeLogRecord({"msg": "Will exit after finishing currently running jobs (scheduler)."}))
    assert stream.getvalue().splitlines() == [STOPS]
    failed = {"event": "job_error", "jobid": 1, "rule_name": "train", "log": []}
    handler.emit(logging.makeLogRecord(failed))
    assert handler.failed == {"train": "it was ended with the run"}  # not for lack of memory
    handler.failed.clear()
    handler.end([], [], success=False)
    assert stream.getvalue().splitlines()[-1].startswith("It ended before all jobs were done")


def test_texts_of_durations_and_jobs():
    assert job_name("train_student", {"scenario": "web", "arm": "kd", "seed": "3"}) == "train_student web kd seed 3"
    assert [duration(seconds) for seconds in (0.4, 99, 150, 7200, 1e6)] == ["0 s", "99 s", "2 min", "2.0 h", "12 days"]
    reason = "Missing output files: a, b, c; Code has changed since last execution"
    assert short_reason(reason) == "Missing output files: a and 2 more; Code has changed since last execution"


def test_the_end_of_a_run_names_files_by_addresses_that_open_from_any_folder(tmp_path):
    (tmp_path / "results").mkdir()
    for name in ("summary.png", "report.html"):
        (tmp_path / "results" / name).touch()
    assert run_digest(tmp_path) == [
        f"Figure: {(tmp_path / 'results/summary.png').as_uri()}",
        f"Page:   {(tmp_path / 'results/report.html').as_uri()}",
    ]
