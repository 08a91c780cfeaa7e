"""Compare the results of two runs of a study by hashes of their files.

For example of an undisturbed run, and of one that was killed and resumed or that ran on a cluster.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

NO_RESULTS = ("logs", "benchmarks", "checkpoints")
# Columns of the costs table that differ from run to run. `jobs` counts only measured jobs: a job that was stopped after
# writing its last file is not measured.
MEASURED = ("jobs", "seconds", "seconds_each", "cpu_seconds", "peak_memory_mb", "images_per_second")


def contents(folder: Path) -> dict[str, str]:
    """Hash of every result of a study, by its path in `results`.

    Costs differ from run to run, so the costs table is compared without its measured columns, and the page, which shows
    costs, is left out.
    """
    results = folder / "results"
    found = {}
    for path in sorted(path for path in results.rglob("*") if path.is_file() and path.parent.name != ".digests"):
        name = path.relative_to(results).as_posix()
        if name.split("/")[0] in NO_RESULTS or name == "report.html" or path.stem == "costs":
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    costs = results / "tables" / "costs.csv"
    return found | (unmeasured_costs(costs) if costs.exists() else {})


def unmeasured_costs(table: Path) -> dict[str, str]:
    """Every row of the costs table, without its measured columns."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]
    return {f"tables/costs.csv, row {number}": str(row) for number, row in enumerate(kept)}


def differences(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Names of the results that differ or that only one of the two has."""
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
