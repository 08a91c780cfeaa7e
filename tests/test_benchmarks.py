"""Benchmarks run: their training loops train, and the script for a GPU continues where it stopped."""

import re
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
        pytest.skip("this machine has a GPU")
    ended = gpu_script(tmp_path / "out", PYTHON=sys.executable)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1 and "no GPU" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_programs_of_the_script_for_a_gpu_exist_and_their_limits_are_the_documented_minutes():
    script = (BENCHMARKS / "gpu.sh").read_text()
    programs = re.findall(r'"\$PYTHON" (benchmarks/\w+\.py)', script)
    assert programs and all((ROOT / program).exists() for program in programs)
    minutes = sum(map(int, re.findall(r"^define \w+ (\d+) ", script, re.M))) / 60
    for text in (script, (ROOT / "docs" / "costs.md").read_text()):
        assert f"in at most {minutes:.0f} minutes" in text


def test_the_script_for_a_gpu_continues_where_it_stopped(tmp_path):
    """With a stand-in for Python that fails the first time in step `loops`."""
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
    assert first.returncode == 0 and "loops: failed with exit code 3" in first.stderr
    assert "no: exit code 3" in table and "run benchmarks/kernels.py steps" in table
    again = gpu_script(tmp_path / "out", "steps", "loops", **ways)
    assert "steps: already finished" in again.stdout
    assert "no: exit code" not in (tmp_path / "out" / "table.md").read_text()
    assert gpu_script(tmp_path / "out", "stepz", **ways).returncode == 1
