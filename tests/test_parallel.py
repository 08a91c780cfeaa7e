"""Parallel work returns results in order, runs a limited number ahead, and can be left without waiting."""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from distillery.jobs import UserError
from distillery.parallel import DaemonThreads, batched, in_processes, ordered

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
MAIN = """
import multiprocessing
from distillery.parallel import in_processes

if __name__ == "__main__":
    multiprocessing.set_start_method("METHOD")
    print(sum(in_processes(abs, range(-99, 0), processes=2)))
"""


def test_batches_have_a_size_but_for_the_last():
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]] and not list(batched([], 2))


def test_results_are_in_order_and_not_far_ahead():
    begun = []

    def square(number):
        begun.append(number)
        time.sleep(0.01 * (number % 3))
        return number**2

    with DaemonThreads(4) as threads:
        for expected, result in enumerate(ordered(threads, square, range(30), ahead=6)):
            assert result == expected**2 and len(begun) <= expected + 6


def test_an_error_is_raised_in_place_of_its_result():
    with DaemonThreads(2) as threads:
        results = ordered(threads, lambda number: 1 // number, (1, 0), ahead=2)
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_leaving_the_threads_waits_for_none_and_begins_nothing_more():
    silent, begun = threading.Event(), []

    def wait(number):
        begun.append(number)
        silent.wait(30)

    before, started = threading.active_count(), time.monotonic()
    with DaemonThreads(2) as threads:
        futures = [threads.submit(wait, number) for number in range(9)]
        while len(begun) < 2:
            time.sleep(0.001)
    assert time.monotonic() - started < 5
    silent.set()
    while threading.active_count() > before:
        time.sleep(0.001)
    assert sorted(begun) == [0, 1] and all(future.cancelled() for future in futures[2:])


@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS.glob("*.py") if "processes=" in path.read_text()], ids=lambda path: path.stem
)
def test_a_worker_process_that_runs_a_job_s_script_does_nothing(script):
    runpy.run_path(str(script), run_name="__mp_main__")  # the name `snakemake` is not defined here


def test_a_killed_process_gives_a_one_line_error():
    with pytest.raises(UserError, match="in most cases for lack of memory"):
        list(in_processes(kill_process, [None], processes=2))


def kill_process(_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_every_start_method_of_processes_works(tmp_path, method):
    (tmp_path / "main.py").write_text(MAIN.replace("METHOD", method))
    path = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    run = subprocess.run([sys.executable, tmp_path / "main.py"], env=path, capture_output=True, text=True)
    assert run.stdout == f"{99 * 100 // 2}\n", run.stderr
