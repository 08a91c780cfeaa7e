"""How much memory is free for this process."""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # version 2, the container's own


def free_memory() -> int:
    """Bytes that this process may take without swapping: of the machine, or of its container if that has less."""
    return min(_free_of_machine(), _free_of_container())


def _free_of_machine() -> int:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):  # not on Linux: half of all
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _free_of_container() -> int:
    """What the limit leaves beside anonymous memory: pages of files give way."""
    try:
        limit = int((CGROUP / "memory.max").read_text())  # "max" without a limit
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - int(stat["anon"]))
    except (OSError, ValueError, KeyError):
        return 1 << 62
