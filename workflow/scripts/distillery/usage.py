"""What a job has taken so far, for a later one that goes on from it.

Snakemake measures each start of a job by itself, so that of a training that was killed it knows the last part alone.
The columns are those of its benchmarks.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

from distillery.storage.files import atomic_write

FILE = "usage.tsv"
STARTED = time.monotonic()


class JobUsage(NamedTuple):
    """What was spent, named as in a benchmark."""

    s: float = 0.0  # seconds; of a process, since this module was imported
    cpu_time: float = 0.0  # seconds of the CPU, all threads
    max_rss: float = 0.0  # MB

    def plus_process(self) -> JobUsage:
        """This, and what the process itself has taken."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        now = JobUsage(time.monotonic() - STARTED, time.process_time(), peak)
        return JobUsage(self.s + now.s, self.cpu_time + now.cpu_time, max(self.max_rss, now.max_rss))

    def write(self, folder: Path) -> None:
        """Keep it as a table of one row, `FILE` in a folder."""
        atomic_write(folder / FILE, "\t".join(self._fields) + "\n" + "\t".join(f"{part:.4f}" for part in self) + "\n")


ZERO_USAGE = JobUsage()
