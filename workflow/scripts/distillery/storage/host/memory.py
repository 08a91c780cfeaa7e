"""Measure how much memory is free for this process."""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")  # version 2, the container's own


def free_memory() -> int:
    """Bytes that this process can use without swapping: free on the machine, or in its container if that is less."""
    return min(_free_of_machine(), _free_of_container())


def _free_of_machine() -> int:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):  # not on Linux: half of the machine's memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _free_of_container() -> int:
    """The container's limit minus its anonymous memory; the kernel frees cached file pages on demand."""
    try:
        limit = int((CGROUP / "memory.max").read_text())  # holds "max" if there is no limit
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return max(0, limit - int(stat["anon"]))
    except (OSError, ValueError, KeyError):
        return 1 << 62
