"""A second run on a folder ends in one line, whatever its targets; a killed run leaves no lock."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import command, environment

from distillery import retry
from distillery.jobs import UserError
from distillery.storage.host.run_lock import FILE, hold_run, only_looks, require_no_run
from distillery.storage.retrieved.source_checks import FOLDER, SourceCheck, now

HOLD = """
import sys
from distillery.storage.host.run_lock import hold_run
hold_run(sys.argv[1])
print(1, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def busy(tmp_path):
    """Another process that holds the run lock of a folder."""
    arguments = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_a_second_run_says_where_the_first_runs(tmp_path, busy):
    with pytest.raises(UserError, match=rf"{re.escape(str(tmp_path))} \(on \S+, process {busy.pid}, since 20") as error:
        hold_run(tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="Another run is at work"):
        require_no_run(tmp_path)


def test_a_killed_run_locks_nothing(tmp_path, busy):
    os.kill(busy.pid, signal.SIGKILL)
    busy.wait()
    require_no_run(tmp_path)
    hold_run(tmp_path)
    assert f"process {os.getpid()}" in (tmp_path / FILE).read_text()


def test_folders_without_a_run_are_left_as_they_are(tmp_path):
    require_no_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_snakemake_starts_nothing_beside_a_run(tmp_path, busy):
    (tmp_path / "config.yaml").write_bytes(Path(__file__).parents[3].joinpath("demo", "config.yaml").read_bytes())
    done = subprocess.run(
        command(tmp_path, "--cores", "1", "--nolock", "results/plan.md"),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "Another run" in line]
    assert f"process {busy.pid}" in line and not (tmp_path / "results").exists()


def test_a_retry_forgets_nothing_beside_a_run(tmp_path, busy):
    refused = SourceCheck("google", "refused", "captcha", "Solve it.", now())
    refused.write(tmp_path / FOLDER / "google.json")
    with pytest.raises(SystemExit, match="Another run is at work"):
        retry.main(["--directory", str(tmp_path)])
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["google.json"]


def test_commands_that_look_at_a_study_need_no_lock():
    assert only_looks(["snakemake", "--cores", "1", "--summary"]) and only_looks(["snakemake", "--report=a.html"])
    assert not only_looks(["snakemake", "--cores", "1", "--summaries", "all", "--unlock"])


def test_a_disk_without_locks_or_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    hold_run(tmp_path)
    hold_run(tmp_path / "not there")
