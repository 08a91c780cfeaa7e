"""Count the GPUs of this machine, and give a job one of them. Standard library only."""

from __future__ import annotations

import fcntl
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

# chooses one of several GPUs; training/hardware.py decides how a job computes on it
CHANGES_NO_RESULT = True

DEVICES = Path("/dev")
EXPECTED_GPUS = "DISTILLERY_GPUS"  # set by the rules: number of GPUs for the jobs of a study, here or on a cluster
VISIBLE = "CUDA_VISIBLE_DEVICES"
LOCKS = Path(tempfile.gettempdir()) / f"distillery-gpus-{os.getuid()}"

_held: list[IO[str]] = []  # open files; their locks end with the process, however it ends


def count_gpus() -> int:
    """Number of NVIDIA GPUs that a process started here may use: those present that CUDA_VISIBLE_DEVICES lists."""
    present = _present()
    return min(present, len(_visible())) if VISIBLE in os.environ else present


def claim_gpu() -> str:
    """Take one of several GPUs for this process: CUDA then sees no other.

    Call it before CUDA is initialized. Parallel jobs take different GPUs; more jobs than GPUs share them evenly. Each
    job locks a file that belongs to this user on this machine.

    Returns:
        The GPU's name as in CUDA_VISIBLE_DEVICES; empty if there are fewer than two, as in a cluster's job with one.
    """
    names = _visible() if VISIBLE in os.environ else [str(number) for number in range(_present())]
    if len(names) < 2:
        return ""
    LOCKS.mkdir(mode=0o700, exist_ok=True)
    free = (name for turn in count() for name in names if _lock(LOCKS / f"{name}.{turn}"))
    os.environ[VISIBLE] = next(free)
    return os.environ[VISIBLE]


def _present() -> int:
    return len(list(DEVICES.glob("nvidia[0-9]*")))


def _visible() -> list[str]:
    names = [name.strip() for name in os.environ[VISIBLE].split(",")]
    return [name for name in names if name not in ("", "-1")]


def _lock(path: Path) -> bool:
    """Lock a file until this process ends; False if another process has locked it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True
