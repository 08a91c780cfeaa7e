"""What has to be the same when a study is made again: undisturbed, after faults, on a cluster, with other cores."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

MADE_ON_THE_WAY = ("logs", "benchmarks", "checkpoints")
# of the table of costs; `jobs` are those measured: one stopped between its last file and its end is not
MEASURED = ("jobs", "seconds", "seconds_each", "cpu_seconds", "peak_memory_mb", "images_per_second")


def contents(folder: Path) -> dict[str, str]:
    """Every result of a study, by its path in `results`: the hash of all its bytes.

    What a job cost differs from one time to the next: of the table of costs all columns but the measured ones count;
    the page, which shows it, is left out.
    """
    results = folder / "results"
    found = {}
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = path.relative_to(results).as_posix()
        if name.split("/")[0] in MADE_ON_THE_WAY or name == "report.html" or path.stem == "costs":
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    costs = results / "tables" / "costs.csv"
    return found | (unmeasured_costs(costs) if costs.exists() else {})


def unmeasured_costs(table: Path) -> dict[str, str]:
    """Every row of the table of costs, with its columns that are not measured."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    told = [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]
    return {f"tables/costs.csv, row {number}": str(row) for number, row in enumerate(told)}


def differences(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """The results that one has and the other has not, or has otherwise."""
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
