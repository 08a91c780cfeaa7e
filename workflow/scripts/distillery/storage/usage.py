"""Measures what a training has used in all its processes, and records it beside the checkpoint.

Snakemake measures each process by itself: of a training that was killed and resumed, it knows the last process alone.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from distillery.storage.files import atomic_write
from distillery.storage.usage_file import FILE, UsageRow

# seconds and megabytes; no weights, history or predictions. The costs table imports usage_file.py, which counts.
CHANGES_NO_RESULT = True

STARTED = time.monotonic()


class JobUsage(UsageRow):
    """Resources that a job has used so far."""

    def plus_process(self) -> JobUsage:
        """This and what the current process has used since it imported this module."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        seconds = time.monotonic() - STARTED
        return JobUsage(self.s + seconds, self.cpu_time + time.process_time(), max(self.max_rss, peak))

    def write(self, folder: Path) -> None:
        """Write `FILE` in a folder."""
        atomic_write(folder / FILE, "\t".join(self._fields) + "\n" + "\t".join(f"{part:.4f}" for part in self) + "\n")


ZERO_USAGE = JobUsage()
