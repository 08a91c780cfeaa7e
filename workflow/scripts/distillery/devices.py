"""What this machine computes with, and which of its GPUs a job takes. Standard library only."""

from __future__ import annotations

import fcntl
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

# which of several GPUs a job takes; how it computes on one is in `learning`
CHANGES_NO_RESULT = True

DEVICES = Path("/dev")
VISIBLE = "CUDA_VISIBLE_DEVICES"
LOCKS = Path(tempfile.gettempdir()) / f"distillery-gpus-{os.getuid()}"

_held: list[IO] = []  # locks end with the process, however it ends


def count_gpus() -> int:
    """NVIDIA GPUs that processes started from here may use: those present, or those CUDA_VISIBLE_DEVICES leaves."""
    present = _present()
    return min(present, len(_visible())) if VISIBLE in os.environ else present


def claim_gpu() -> str:
    """Take one of several GPUs for this process: it becomes the only one that CUDA sees.

    Call before CUDA is initialized. Jobs that run side by side take different GPUs; where they are more than the GPUs,
    they share them evenly. The lock that says so is on a file of this user and machine.

    Returns:
        The GPU's name as CUDA_VISIBLE_DEVICES has it; empty where there is nothing to choose from, as in a job of a
        cluster that was granted one.
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
    """Lock a file until this process ends, unless another process has."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _held.append(file)
    return True
