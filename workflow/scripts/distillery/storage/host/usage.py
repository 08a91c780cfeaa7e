"""Measures what a training has used in all its processes, and records it beside the checkpoint.

Snakemake measures each process by itself: of a training that was killed and resumed, it knows the last process alone,
and of trainings that share a process only their sum.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from distillery.storage.files import atomic_write
from distillery.storage.host.usage_file import FILE, UsageRow

# seconds and megabytes; no weights, history or predictions. The costs table imports usage_file.py, which counts.
CHANGES_NO_RESULT = True

STARTED = time.monotonic()
_began = [STARTED, 0.0]  # seconds and CPU seconds at which the current training began: the first with the process


class JobUsage(UsageRow):
    """Resources that a training has used so far."""

    def plus_training(self) -> JobUsage:
        """This and what the current process has used since the end of its last training, or since its start."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        seconds, cpu = (now - then for now, then in zip((time.monotonic(), time.process_time()), _began, strict=True))
        return JobUsage(self.s + seconds, self.cpu_time + cpu, max(self.max_rss, peak))

    def end_training(self, folder: Path) -> None:
        """Write the usage of a training that has ended; what the process uses from now on is the next one's."""
        self.plus_training().write(folder)
        _began[:] = time.monotonic(), time.process_time()

    def write(self, folder: Path) -> None:
        """Write `FILE` in a folder."""
        text = "\t".join(self._fields) + "\n" + "\t".join(f"{part:.4f}" for part in self) + "\n"
        atomic_write(folder / FILE, text, digest=True)


ZERO_USAGE = JobUsage()
