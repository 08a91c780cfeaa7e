"""Count how often each class of a source was requested again after a refusal.

The counts are parameters of the rules that retrieve, so that after `python -m distillery.retry` Snakemake retrieves
exactly the refused classes again. If the file is lost, counts start at zero, and those classes are requested once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from distillery.file_digests import is_whole
from distillery.storage.files import atomic_write

FILE = Path("resources/preflight/attempts.json")  # below the study's folder
Attempts = dict[str, dict[str, int]]  # source → class → count


def read_attempts(path: str | Path = FILE) -> Attempts:
    """The counts so far; empty if the file does not exist or is damaged."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8")) if is_whole(path) else {}
        return {source: {label: int(n) for label, n in counts.items()} for source, counts in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def count_attempt(source: str, labels: Iterable[str], path: str | Path = FILE) -> None:
    """Add one to the count of each of these classes of a source."""
    attempts = read_attempts(path)
    counts = attempts.setdefault(source, {})
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    atomic_write(path, json.dumps(attempts, indent=1, sort_keys=True) + "\n", digest=True)
