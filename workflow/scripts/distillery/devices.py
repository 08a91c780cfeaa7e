"""What this machine computes with. Standard library only: the workflow asks before any job has started."""

from __future__ import annotations

import os
from pathlib import Path

DEVICES = Path("/dev")


def count_gpus() -> int:
    """NVIDIA GPUs that processes started from here may use: those present, or those CUDA_VISIBLE_DEVICES leaves."""
    present = len(list(DEVICES.glob("nvidia[0-9]*")))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return present
    return min(present, len([name for name in visible.split(",") if name.strip() not in ("", "-1")]))
