"""Summarize a study at the end of a run: scenarios, sources that refused and how to get them, and the page's path."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from distillery.storage.retrieved.refused_pools import noted_refusal
from distillery.storage.retrieved.source_checks import FOLDER, read_check

# this module only writes to the terminal, so no result depends on it
CHANGES_NO_RESULT = True

SUMMARY, REFUSALS = Path("results/tables/summary.csv"), Path("results/refusals.json")
PAGE, FIGURE = Path("results/report.html"), Path("results/summary.png")


def run_digest(folder: str | Path = ".") -> list[str]:
    """The lines at the end of a run. A study without results has only lines about sources that refused.

    Args:
        folder: of the study.
    """
    folder = Path(folder)
    return [*_scenarios(folder / SUMMARY), *_refused(folder), *_where(folder)]


def _scenarios(summary: Path) -> Iterator[str]:
    try:
        with summary.open(newline="", encoding="utf-8") as file:
            reasons = {row["scenario"]: row.get("not_run", "") for row in csv.DictReader(file)}
    except (OSError, KeyError):
        return
    run = [name for name, reason in reasons.items() if not reason]
    yield f"Scenarios run: {len(run)} of {len(reasons)}" + (f" ({', '.join(run)})" if run else "")
    for reason in dict.fromkeys(filter(None, reasons.values())):
        yield f"  not run, because {reason}: {', '.join(name for name in reasons if reasons[name] == reason)}"


def _refused(folder: Path) -> Iterator[str]:
    try:
        refused = json.loads((folder / REFUSALS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        refused = {}
    if not refused:
        return
    yield "Sources that refused, and how to get them:"
    for source, classes in refused.items():
        check = read_check(folder / FOLDER / f"{source}.json")
        known = check.remedy if check and check.verdict == "refused" else noted_refusal(folder, source)
        yield f"  {source}: {known or ', '.join(sorted(set(classes.values())))}"
    yield "  Then run python -m distillery.retry and the same command again"


def _where(folder: Path) -> Iterator[str]:
    if (folder / FIGURE).exists():
        yield f"Figure: {(folder / FIGURE).resolve().as_uri()}"
    if (folder / PAGE).exists():
        yield f"Page:   {(folder / PAGE).resolve().as_uri()}"
    elif (folder / FIGURE).exists():
        yield "Page:   to build it too, run the command without results/summary.png"
