"""How often each class of a source has been asked again after a refusal.

The numbers are parameters of the rules that retrieve: after `python -m distillery.retry` exactly the refused classes
are retrieved again. A file that is lost starts at zero, and those classes are asked once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from distillery.file_digests import is_whole
from distillery.storage.files import atomic_write

FILE = Path("resources/preflight/attempts.json")  # below the study's folder
Attempts = dict[str, dict[str, int]]  # source → class → number


def read_attempts(path: str | Path = FILE) -> Attempts:
    """The numbers so far; none if there is no such file, or it is damaged."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8")) if is_whole(path) else {}
        return {source: {label: int(number) for label, number in of.items()} for source, of in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def count_attempt(source: str, labels: Iterable[str], path: str | Path = FILE) -> None:
    """Add one to the number of classes of a source."""
    attempts = read_attempts(path)
    numbers = attempts.setdefault(source, {})
    for label in labels:
        numbers[label] = numbers.get(label, 0) + 1
    atomic_write(path, json.dumps(attempts, indent=1, sort_keys=True) + "\n", digest=True)
