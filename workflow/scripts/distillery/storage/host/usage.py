"""Measure the resources that a training has used in all its processes, and record them beside the checkpoint.

Snakemake measures each process: of a training that was killed and resumed it knows only the last process, and of
trainings that share a process only their sum.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from distillery.storage.files import atomic_write
from distillery.storage.host.usage_file import FILE, UsageRow

# measures seconds and megabytes, and affects no weights, history or predictions; the costs table, which is made of its
# files, imports usage_file.py, which has no such mark
CHANGES_NO_RESULT = True

STARTED = time.monotonic()
# seconds and CPU seconds at the start of the current training; of the process for its first training
_began = [STARTED, 0.0]


class JobUsage(UsageRow):
    """Resources that a training has used so far."""

    def plus_training(self) -> JobUsage:
        """This usage plus what the current process has used since its last training ended, or since it started."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        seconds, cpu = (now - then for now, then in zip((time.monotonic(), time.process_time()), _began, strict=True))
        return JobUsage(self.s + seconds, self.cpu_time + cpu, max(self.max_rss, peak))

    def end_training(self, folder: Path) -> None:
        """Write the usage of a training that has ended; from now on, usage counts for the next training."""
        self.plus_training().write(folder)
        _began[:] = time.monotonic(), time.process_time()

    def write(self, folder: Path) -> None:
        """Write this usage to `FILE` in a folder."""
        text = "\t".join(self._fields) + "\n" + "\t".join(f"{part:.4f}" for part in self) + "\n"
        atomic_write(folder / FILE, text, digest=True)


ZERO_USAGE = JobUsage()
