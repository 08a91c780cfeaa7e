"""Benchmarks run: their loops train, and the script for a GPU goes on where it stopped."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def loops(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import training_loops

    return training_loops


def test_the_librarys_loop_reduces_its_loss(loops):
    pixels, labels = loops.patterns(64)
    pair = loops.Pair("resnet8_half", "resnet8_half", pixels, labels, torch.device("cpu"))
    run = loops.library_loop(pair, 16)
    first, later = run(4), run(8)
    assert 0 < later < first


def test_all_loops_begin_with_the_same_weights(loops):
    pixels, labels = loops.patterns(32)
    pair = loops.Pair("resnet8_half", "resnet8_half", pixels, labels, torch.device("cpu"))
    one, other = pair.networks()[0], pair.networks()[0]
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def gpu_script(folder, *steps, **environment):
    command = ["bash", str(BENCHMARKS / "gpu.sh"), str(folder), *steps]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", **environment})


def test_the_script_for_a_gpu_measures_nothing_without_one(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    ended = gpu_script(tmp_path / "out", PYTHON=sys.executable)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1 and "no GPU" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_the_script_for_a_gpu_goes_on_where_it_stopped(tmp_path):
    """With a stand-in for Python: one that fails the first time in step `loops`."""
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"#!/bin/bash\n"
        f'case "$*" in *training.py*) [ -e {tmp_path}/seen ] || {{ touch {tmp_path}/seen; exit 3; }};; esac\n'
        f'echo "run $*"\n'
    )
    stand_in.chmod(0o755)
    ways = {"PYTHON": str(stand_in), "ANY_DEVICE": "1"}
    first = gpu_script(tmp_path / "out", "steps", "loops", **ways)
    table = (tmp_path / "out" / "table.md").read_text()
    assert first.returncode == 0 and "loops: ended with 3" in first.stderr
    assert "no: code 3" in table and "run benchmarks/kernels.py steps" in table
    again = gpu_script(tmp_path / "out", "steps", "loops", **ways)
    assert "steps: finished before" in again.stdout and "no: code" not in (tmp_path / "out" / "table.md").read_text()
    assert gpu_script(tmp_path / "out", "stepz", **ways).returncode == 1
