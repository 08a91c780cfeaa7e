"""Measures the speed and the memory of an ONNX file in a process of its own.

    python -m distillery.deployment.speed MODEL THREADS [SHAPE OF ONE IMAGE]

Prints JSON: latency_ms (of one image), images_per_second (in batches of 64), both medians, and peak_mb, by how much the
process grew at its peak over what it had before the file was read. Needs only onnxruntime and numpy.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from distillery.jobs import UserError, one_line

BATCH = 64
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
WARM, SINGLE, BATCHES = 5, 100, 10  # runs that are not counted, and those that are
SCRIPTS = Path(__file__).parents[2]


class Speed(NamedTuple):
    """What was measured on this machine.

    Attributes:
        latency_ms: median of one image, milliseconds.
        images_per_second: median, in batches of 64.
        peak_mb: memory, megabytes.
    """

    latency_ms: float
    images_per_second: float
    peak_mb: float


def median_seconds(call: Callable[[], object], times: int) -> float:
    """The median time of a call, after some that are not counted."""
    for _ in range(min(WARM, times)):
        call()
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def measure_speed(model: str | Path, threads: int, shape: Sequence[int] = ()) -> Speed:
    """Measure a file in a new process, so that its memory is its own.

    Args:
        shape: of one image as the file takes it, where the file itself leaves that open.

    Raises:
        UserError: the process failed.
    """
    command = [sys.executable, "-m", "distillery.deployment.speed", *map(str, (model, threads, *shape))]
    paths = os.pathsep.join(filter(None, (str(SCRIPTS), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{model} cannot be measured: {one_line(done.stderr[-300:])}")
    return Speed(**json.loads(done.stdout))


def _peak_mb() -> float:
    try:  # getrusage counts what the process that started this one had before
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1e3
    except (OSError, StopIteration):  # no Linux
        pass
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kilobytes elsewhere


def _measure(model: str, threads: int, *shape: int) -> Speed:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads
    before = _peak_mb()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name, single, batch = _inputs(session.get_inputs()[0], shape)
    one = median_seconds(lambda: session.run(None, {name: single}), SINGLE)
    many = median_seconds(lambda: session.run(None, {name: batch}), BATCHES)
    return Speed(1000 * one, len(batch) / many, _peak_mb() - before)


def _inputs(wanted: Any, shape: Sequence[int]) -> tuple[str, np.ndarray, np.ndarray]:
    """A file's input by name: one image and a batch of random ones. A file of a fixed batch gets that both times."""
    fixed = isinstance(wanted.shape[0], int)
    count = wanted.shape[0] if fixed else BATCH
    images = np.random.default_rng(0).integers(0, 256, (count, *(shape or wanted.shape[1:])), np.uint8)
    if wanted.type != "tensor(uint8)":
        images = (images / 255).astype(FLOATS[wanted.type])
    return wanted.name, images if fixed else images[:1], images


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], *map(int, sys.argv[2:]))._asdict()))
