"""A study that is killed, stopped or started twice ends with the same results; tests/faults tests this at length."""

import re
import shutil
import signal
import time
from types import SimpleNamespace

import pytest
from compare_results import contents, differences
from running import LOCKED, Run, processes_of, unlock

pytestmark = pytest.mark.slow

# every stage up to the tables of two scenarios; tests/faults continues to the figures
TARGETS = ("results/scenarios/web.csv", "results/scenarios/sd2.csv")
CARDS = ("GPU-a", "GPU-b")


@pytest.fixture(scope="module")
def disturbed(finished, tmp_path_factory):
    """The finished study, run again in another folder and disturbed at one stage after another; its runs."""
    folder = tmp_path_factory.mktemp("disturbed")
    shutil.copyfile(finished.folder / "config.yaml", folder / "config.yaml")
    shutil.copytree(finished.folder / "images", folder / "images", copy_function=shutil.copy2)
    seen = SimpleNamespace(folder=folder, left=[])
    for rule in ("generate_sd2", "train_student"):  # the crawls run beside the first
        run = Run(folder, *TARGETS)
        run.wait_for(rule)
        run.kill()
        seen.left += processes_of(folder)
        unlock(folder)
    seen.interrupted = stop(folder, lambda run: run.kill(signal.SIGINT))
    seen.left += processes_of(folder)
    seen.terminated = stop(folder, lambda run: run.process.terminate())
    seen.left += processes_of(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", ",".join(CARDS))  # names only: no GPU is needed
        seen.last = Run(folder, *TARGETS)
        seen.last.wait_for("train_student")
        seen.second = Run(folder, *TARGETS)
        seen.second.end()
        seen.last.end()
    return seen


def stop(folder, how):
    """Start a run, stop it when a student trains, and return it once it has ended."""
    run = Run(folder, *TARGETS)
    run.wait_for("train_student")
    time.sleep(1)  # Snakemake loses a Ctrl-C between a job's announcement and its start
    how(run)
    run.end()
    return run


def test_results_are_those_of_an_undisturbed_study(disturbed, finished):
    assert disturbed.last.process.returncode == 0, disturbed.last.text()[-6000:]
    ours, theirs = contents(disturbed.folder), contents(finished.folder)
    assert len(ours) > 40
    assert differences(ours, {name: theirs.get(name) for name in ours}) == []


def test_nothing_is_left_running(disturbed):
    assert disturbed.left == []


def test_ctrl_c_ends_cleanly_and_leaves_no_lock(disturbed):
    text = disturbed.interrupted.text()
    assert disturbed.interrupted.process.returncode != 0
    assert "Terminating processes on user request" in text
    assert LOCKED not in disturbed.terminated.text()  # it started after the stopped run


def test_sigterm_lets_the_jobs_that_run_end_and_starts_no_more(disturbed):
    run = disturbed.terminated
    assert run.process.returncode != 0 and "train_student" in run.ended
    assert run.ended.count("train_student") < run.planned["train_student"]
    assert LOCKED not in disturbed.last.text()


def test_a_second_snakemake_reports_the_lock_and_starts_nothing(disturbed):
    text = disturbed.second.text()
    assert disturbed.second.process.returncode != 0 and not disturbed.second.ended
    assert text.count("Another run is at work on") == 1 and LOCKED not in text and "Traceback" not in text


def test_a_training_takes_one_of_several_gpus(disturbed):
    """test_devices tests that parallel jobs take different GPUs: these jobs are too short to overlap."""
    logs = [path.read_text() for path in (disturbed.folder / "results" / "logs" / "train_student").glob("*.log")]
    taken = [found[1] for log in logs if (found := re.search(r"uses GPU (\S+)", log))]
    assert taken and set(taken) <= set(CARDS)
