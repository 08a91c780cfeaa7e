"""Measures the speed and the memory of an ONNX file in a separate process.

    python -m distillery.deployment.speed MODEL THREADS [SHAPE OF ONE IMAGE]

Prints JSON: latency_ms (of one image), images_per_second (in batches of 64), both medians, and peak_mb, the process's
peak memory minus its peak before the file was read. Needs only onnxruntime and numpy.
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
WARM, SINGLE, BATCHES = 5, 100, 10  # warm-up runs, timed runs of one image, and timed runs of a batch
SCRIPTS = Path(__file__).parents[2]


class Speed(NamedTuple):
    """Speed and memory on this machine.

    Attributes:
        latency_ms: median time of one image, milliseconds.
        images_per_second: median, in batches of 64.
        peak_mb: memory that the file adds at its peak, megabytes (10⁶ bytes).
    """

    latency_ms: float
    images_per_second: float
    peak_mb: float


def median_seconds(call: Callable[[], object], times: int) -> float:
    """The median time of a call, after warm-up calls."""
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
        threads: CPU threads.
        shape: of one image in the file's input format, if the file does not fix it.

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
    """The peak memory of this process so far, in megabytes (10⁶ bytes)."""
    try:  # getrusage includes the memory of the process that started this one
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    except (OSError, StopIteration):  # no Linux
        pass
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024) / 1e6  # macOS counts bytes, other systems KiB


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
    """Name of a file's input, one random image, and a batch of them. A fixed batch size is used for both."""
    fixed = isinstance(wanted.shape[0], int)
    count = wanted.shape[0] if fixed else BATCH
    images = np.random.default_rng(0).integers(0, 256, (count, *(shape or wanted.shape[1:])), np.uint8)
    if wanted.type != "tensor(uint8)":
        images = (images / 255).astype(FLOATS[wanted.type])
    return wanted.name, images if fixed else images[:1], images


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], *map(int, sys.argv[2:]))._asdict()))
