"""An expected error ends a job with one line and status 1; an unexpected error keeps its traceback."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from distillery import devices
from distillery.jobs import UserError, job, one_line, progress

LIBRARY = str(Path(__file__).parents[1] / "workflow" / "scripts")


@pytest.fixture
def snakemake(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "logs" / "job.log")])


def test_a_user_error_is_one_line(snakemake, capsys):
    with pytest.raises(SystemExit) as stop, job(snakemake):
        raise UserError("class deer has 612 images, 800 asked")
    assert stop.value.code == 1
    assert capsys.readouterr().err == "ERROR: class deer has 612 images, 800 asked\n"
    assert open(snakemake.log[0]).read().count("\n") == 1


def test_a_text_becomes_one_line_of_a_length():
    assert one_line(ValueError(" no\n\timage ")) == "no image"
    assert one_line("a long answer", 6) == "a long"


def test_an_unexpected_error_keeps_its_traceback(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        raise ZeroDivisionError
    assert "ZeroDivisionError" in open(snakemake.log[0]).read()


def test_progress_yields_every_item(snakemake):
    assert list(progress(range(5), label="x")) == [0, 1, 2, 3, 4]


def test_ctrl_c_is_one_line(snakemake, capsys):
    with pytest.raises(SystemExit) as stop, job(snakemake):
        raise KeyboardInterrupt
    assert stop.value.code == 130
    assert capsys.readouterr().err == "ERROR: interrupted. Run the same command again to continue.\n"


NO_MEMORY = {
    "numpy": MemoryError("Unable to allocate 9.09 TiB for an array"),
    "torch": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 GB"),
    "the system": OSError(12, "Cannot allocate memory"),
}


@pytest.mark.parametrize("name", NO_MEMORY)
def test_too_little_memory_is_one_line_that_says_so(snakemake, capsys, name):
    with pytest.raises(SystemExit) as stop, job(snakemake):
        raise NO_MEMORY[name]
    (line,) = capsys.readouterr().err.splitlines()
    assert stop.value.code == 1 and line.startswith("ERROR: not enough memory (") and "--cores 1" in line


LIMITED = """
import resource, sys
from types import SimpleNamespace
import numpy as np
from distillery.jobs import job
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
with job(SimpleNamespace(log=[])):
    np.ones(2**28, np.uint64)
"""


def test_a_real_limit_of_memory_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], env={**os.environ, "PYTHONPATH": LIBRARY}, capture_output=True, text=True
    )
    assert done.returncode == 1 and re.fullmatch(r"ERROR: not enough memory \(.*\)\. .*\n", done.stderr)


def test_a_clock_that_was_set_back_costs_no_job(snakemake, tmp_path, capsys):
    made, tomorrow = tmp_path / "made.csv", time.time_ns() + 86_400 * 10**9
    given = tmp_path / "given.csv"
    given.write_text("x")
    os.utime(given, ns=(tomorrow, tomorrow))
    with job(SimpleNamespace(log=snakemake.log, input=[str(given)], output=[str(made)])):
        made.write_text("y")
    assert made.stat().st_mtime_ns == tomorrow and "the clock was set back" in capsys.readouterr().err
    with job(SimpleNamespace(log=snakemake.log, input=[str(made)], output=[])):
        pass  # its digest is valid


def test_a_job_with_the_resource_gpu_takes_one_of_several_and_logs_it(snakemake, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with job(SimpleNamespace(log=snakemake.log, resources={"gpu": 0})):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7"
    with job(SimpleNamespace(log=snakemake.log, resources={"gpu": 1})):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    assert "uses GPU 4\n" in open(snakemake.log[0]).read()
