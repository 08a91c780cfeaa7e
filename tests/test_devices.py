"""A job reserves one of several GPUs."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from distillery import devices

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"


def test_gpus_are_counted_as_present_and_visible(tmp_path, monkeypatch):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.count_gpus() == 2
    for visible, count in {"0": 1, "0,1": 2, "": 0, "-1": 0, "GPU-abc": 1, "0,1,2": 2}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert devices.count_gpus() == count


# a job that takes a GPU, prints which, and keeps it until its standard input ends
JOB = """
import os, sys
from distillery import devices
devices.LOCKS = devices.Path(sys.argv[1])
print(devices.claim_gpu(), os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Start a job that sees these GPUs: (its process, the GPU that it took, the GPUs that CUDA sees then)."""
    jobs = []

    def start(visible):
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": visible, "PYTHONPATH": str(SCRIPTS)}
        command = [sys.executable, "-c", JOB, tmp_path / "locks"]
        job = subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True)
        jobs.append(job)
        return job, *job.stdout.readline().rstrip("\n").split(" ")

    yield start
    for job in jobs:
        job.kill()
        job.wait()


def test_parallel_jobs_take_different_gpus_and_share_them_evenly_if_there_are_too_few(start):
    taken = [start("GPU-a, GPU-b,3")[1:] for _ in range(5)]
    assert taken == [(name, name) for name in ("GPU-a", "GPU-b", "3", "GPU-a", "GPU-b")]


def test_a_gpu_is_free_again_when_its_job_is_killed(start):
    first, *_ = start("0,1")
    assert start("0,1")[1] == "1"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert start("0,1")[1] == "0"


@pytest.mark.parametrize("visible", ["", "-1", "0", "GPU-abc"])
def test_without_a_choice_nothing_is_changed(start, visible):
    assert start(visible)[1:] == ("", visible)


def test_without_cuda_visible_devices_the_gpus_present_are_taken_in_order(tmp_path, monkeypatch):
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    monkeypatch.setattr(devices, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # so that the variable is restored after the test
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert devices.claim_gpu() == "0" == os.environ["CUDA_VISIBLE_DEVICES"]
