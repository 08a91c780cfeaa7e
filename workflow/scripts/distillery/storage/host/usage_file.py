"""Define the file beside a checkpoint that records the resources of its training, for the costs table."""

from __future__ import annotations

from typing import NamedTuple

FILE = "usage.tsv"


class UsageRow(NamedTuple):
    """The file's only row; columns are named as in Snakemake's benchmarks."""

    s: float = 0.0  # seconds
    cpu_time: float = 0.0  # seconds of the CPU, all threads
    max_rss: float = 0.0  # MB
