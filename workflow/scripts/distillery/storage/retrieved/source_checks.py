"""Read and write the results of preflight checks, which test each source before its first image is retrieved.

Each source has one small file. A refusal keeps retrieving jobs from requesting the source, for a day; an ok
does not expire. The source may still refuse the crawl itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from distillery.storage.files import atomic_write
from distillery.storage.retrieved.refusals import REFUSALS, Refusal

FOLDER = Path("resources/preflight")  # below the study's folder
HOLDS = timedelta(days=1)  # how long a refusal is valid
COLUMNS = ("source", "verdict", "reason", "remedy")


@dataclass(frozen=True)
class CheckRequest:
    """How to check a source before its first image is retrieved.

    Rules get it as an object, because Snakemake does not compare objects: a changed one must not repeat the check. In a
    run that repeats it, Snakemake would not notice that parameters of the jobs after it have changed as well.

    Attributes:
        source: its settings.
        label: the class of `query`.
        query: to send to a search.
        preflight: whether to check at all.
        gpus: number of GPUs that the jobs of the study may use.
    """

    source: dict[str, Any]
    label: str
    query: str
    preflight: bool
    gpus: int = 1


@dataclass(frozen=True)
class SourceCheck:
    """The result of a source's preflight check.

    Attributes:
        source: its name.
        verdict: ok; refused; or unknown, if there was no check or it was not conclusive.
        reason: one of `REFUSALS` if refused; free text if unknown; empty if ok.
        remedy: one line with what, where and what to do; empty if ok.
        when: time of the check, UTC, ISO 8601.
    """

    source: str
    verdict: Literal["ok", "refused", "unknown"]
    reason: str = ""
    remedy: str = ""
    when: str = ""

    def write(self, path: str | Path) -> None:
        """Write the result as JSON."""
        atomic_write(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    def refusal(self) -> Refusal | None:
        """The refusal as an exception; None if there is none."""
        refused = self.verdict == "refused" and self.reason in REFUSALS
        return Refusal(self.remedy, self.reason) if refused else None

    def expired(self) -> bool:
        """Whether this is a refusal older than `HOLDS`."""
        if self.verdict != "refused":
            return False
        try:
            return abs(datetime.now(UTC) - datetime.fromisoformat(self.when)) > HOLDS
        except (ValueError, TypeError):
            return True


def now() -> str:
    """The current time in the format of `SourceCheck.when`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_check(path: str | Path) -> SourceCheck | None:
    """Read a result; None if the file does not exist or is damaged."""
    try:
        return SourceCheck(**json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def check_table(checks: Sequence[SourceCheck]) -> str:
    """A table for the terminal: a line for each source, and one on how to retry those that refused.

    Empty if there is nothing to check, as for a study of the user's own folders.
    """
    if not checks:
        return ""
    lines = [COLUMNS, *((each.source, each.verdict, each.reason, each.remedy) for each in checks)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS) - 1)]
    refused = [each.source for each in checks if each.verdict == "refused"]
    advice = (
        f"Scenarios that need {', '.join(refused)} are left out. Once they are available: python -m distillery.retry\n"
    )
    table = "".join(
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[-1]]).rstrip() + "\n"
        for line in lines
    )
    return table + advice * bool(refused)
