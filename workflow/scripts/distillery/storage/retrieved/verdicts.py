"""What a look at a source found, before its first image is retrieved: one small file for each source.

A refused verdict keeps the jobs that retrieve from asking again, for a day; an accepted one holds for good. The crawl
itself may still be refused.
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
HOLDS = timedelta(days=1)  # how long a refusal is believed
COLUMNS = ("source", "verdict", "reason", "remedy")


@dataclass(frozen=True)
class LookRequest:
    """How to look at a source.

    An object of its own, because Snakemake does not compare such parameters. A changed one must not repeat the look: in
    a run that repeats a look, Snakemake overlooks that the parameters of the jobs behind it have changed as well.

    Attributes:
        source: its settings.
        label: the class of `query`.
        query: what to ask a search.
        preflight: whether to look at all.
        gpus: that the jobs of the study may use.
    """

    source: dict[str, Any]
    label: str
    query: str
    preflight: bool
    gpus: int = 1


@dataclass(frozen=True)
class Verdict:
    """What a look at a source found.

    Attributes:
        source: its name.
        verdict: ok; refused; unknown, if nobody looked or the look could not tell.
        reason: of a refusal, one of `REFUSALS`; of an unknown verdict in words; else empty.
        remedy: one line with what, where and what to do; empty if ok.
        when: UTC, ISO 8601.
    """

    source: str
    verdict: Literal["ok", "refused", "unknown"]
    reason: str = ""
    remedy: str = ""
    when: str = ""

    def write(self, path: str | Path) -> None:
        """Write the file of the source."""
        atomic_write(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    def refusal(self) -> Refusal | None:
        """The refusal, if this is one."""
        refused = self.verdict == "refused" and self.reason in REFUSALS
        return Refusal(self.remedy, self.reason) if refused else None

    def expired(self) -> bool:
        """Whether this is a refusal that is believed no more."""
        if self.verdict != "refused":
            return False
        try:
            return abs(datetime.now(UTC) - datetime.fromisoformat(self.when)) > HOLDS
        except (ValueError, TypeError):
            return True


def now() -> str:
    """The present as `Verdict.when` has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_verdict(path: str | Path) -> Verdict | None:
    """The verdict in a file; None if there is no such file, or it is damaged."""
    try:
        return Verdict(**json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """A table for the terminal, a line for each source; the remedy is last, since it is long. Then the way on."""
    lines = [COLUMNS, *((each.source, each.verdict, each.reason, each.remedy) for each in verdicts)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS) - 1)]
    refused = [each.source for each in verdicts if each.verdict == "refused"]
    way_on = (
        f"Scenarios that need {', '.join(refused)} are left out. Once they can be had: python -m distillery.retry\n"
    )
    table = "".join(
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[-1]]).rstrip() + "\n"
        for line in lines
    )
    return table + way_on * bool(refused)
