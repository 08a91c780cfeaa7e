"""What each stage cost, from the benchmarks that Snakemake keeps of finished jobs.

Of a training that was killed, or was found finished when its job ran again, such a benchmark knows the last part alone;
what the earlier ones took lies beside its checkpoint (`spending.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from distillery.analysis.formatting import formatted
from distillery.analysis.table_files import NAMES_OF_COUNTS, read_numbers, read_table, write_table
from distillery.usage import FILE, JobUsage

COLUMNS = (
    "stage", "rule", "source", "scenario", "arm", "jobs", "seconds", "seconds_each", "cpu_seconds", "peak_memory_mb",
    "images", "images_per_second", "note",
)  # fmt: skip
# tables and figures are left out: some are made after this one
STAGES = {
    "crawl": "acquire", "fetch_addresses": "acquire", "import_folder": "acquire", "generate": "acquire",
    "curate": "curate", "split": "split", "plan_scenario": "split", "prepare_teacher_data": "teach",
    "train_teacher": "teach", "evaluate_teacher": "teach", "find_leakage": "audit", "audit_labels": "audit",
    "measure_diversity": "audit", "run_trial": "study", "tune": "study", "run_arm_trial": "study",
    "select_arm_hyperparameters": "study", "train_student": "study",
}  # fmt: skip
OF_SCENARIOS = ("plan_scenario", "run_trial", "tune")
TRIALS = ("run_trial", "run_arm_trial")
OF_ARMS = ("run_arm_trial", "select_arm_hyperparameters", "train_student")


def tabulate_costs(
    benchmarks: str | Path,
    checkpoints: str | Path,
    runs: str | Path,
    counts: str | Path,
    output: str | Path,
    *,
    sources: Mapping[str, Sequence[str]],
    trials: Sequence[str],
    label: str = "",
) -> None:
    """Write the table, columns as in docs/tables.md.

    Args:
        benchmarks: folder of `{rule}.tsv` and `{rule}/….tsv`. What is not there has no row: a copied study may lack it.
        checkpoints: folder of `{rule}/…/`, for the trainings among them; may lack them too.
        runs, counts: the study's tables, which tell how many images were worked on.
        output: the `.csv` to write.
        sources: that students or the teacher use, with their classes.
        trials: names of the settings that the study tries: those of a former grid do not count.
        label: what must be said of all numbers.

    Raises:
        UserError: a benchmark is damaged.
    """
    runs, counts = read_table(runs), read_table(counts, NAMES_OF_COUNTS)
    jobs = Jobs(Path(benchmarks), Path(checkpoints), frozenset(trials))
    rows = list(_shared(jobs, sorted(set(runs["scenario"]))))
    rows += _of_sources(jobs, counts, sources)
    rows += _of_students(jobs, runs)
    order = list(STAGES)
    rows.sort(key=lambda row: order.index(row["rule"]))
    table = pd.DataFrame(rows).reindex(columns=COLUMNS).assign(note=label)
    rates = dict.fromkeys(("seconds", "seconds_each", "cpu_seconds", "peak_memory_mb"), 1)
    write_table(formatted(table, rates | {"jobs": 0, "images": 0, "images_per_second": 1}), output)


@dataclass(frozen=True)
class Jobs:
    """Where what jobs took was measured."""

    benchmarks: Path
    checkpoints: Path
    trials: frozenset[str]

    def of(self, rule: str, *names: str) -> list[Path]:
        """The benchmarks of a rule's jobs whose names begin with these, of trials those that the study has."""
        found = sorted((self.benchmarks / rule).glob("*.tsv"))
        found = [path for path in found if tuple(path.name.split(".")[: len(names)]) == names]
        return [path for path in found if path.stem in self.trials] if rule in TRIALS else found

    def measured(self, path: Path) -> pd.DataFrame:
        """Of the job with the benchmark `path`: a row of its last part and, of a training, one of all before."""
        parts, before = [read_measurement(path)], self.checkpoints / path.relative_to(self.benchmarks).with_suffix("")
        if (before / FILE).exists():
            parts.append(read_measurement(before / FILE).query("s > 0"))
        return pd.concat(parts)


def _shared(jobs: Jobs, scenarios: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rules of one job a study, and those of a scenario's jobs that no arm is the cause of, all scenarios together."""
    for rule in STAGES:
        paths = [jobs.benchmarks / f"{rule}.tsv"]
        if rule in OF_SCENARIOS:
            paths = [path for scenario in scenarios for path in jobs.of(rule, scenario)]  # that the study still has
        yield from _row(jobs, paths, rule)


def _of_sources(jobs: Jobs, counts: pd.DataFrame, sources: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
    """Rules of one job a source, or one a source and class; no counts are known of what the teacher alone uses."""
    totals = counts.groupby("source")[["candidates", "retrieved", "kept"]].sum()
    worked_on = {"curate": "retrieved", "audit_labels": "kept"}
    for source, classes in sources.items():
        # a scenario may have a source's name
        for rule in (name for name in STAGES if name not in (*OF_SCENARIOS, *OF_ARMS)):
            stems = [source, *(f"{source}.{name}" for name in classes)]
            column = worked_on.get(rule, "retrieved")
            images = int(totals.at[source, column]) if source in totals.index else 0
            paths = [jobs.benchmarks / rule / f"{stem}.tsv" for stem in stems]
            # where several jobs share a source, these make the images and `generate` only gathers them
            paths += sorted((jobs.benchmarks / f"{rule}_share").glob(f"{source}.*.tsv"))
            yield from _row(jobs, paths, rule, images, source=source)


def _of_students(jobs: Jobs, runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for (scenario, arm), group in runs.groupby(["scenario", "arm"], sort=False):
        for rule in OF_ARMS[:-1]:  # of arms with a grid of their own
            yield from _row(jobs, jobs.of(rule, scenario, arm), rule, scenario=scenario, arm=arm)
        folder = jobs.benchmarks / "train_student"
        paths = [folder / f"{scenario}.{arm}.seed{seed}.tsv" for seed in group["seed"]]
        measured = [path.exists() for path in paths]  # a copied study may lack some
        images = int((group["steps"] * group["batch"])[measured].sum())
        yield from _row(jobs, paths, "train_student", images, scenario=scenario, arm=arm)


def _row(jobs: Jobs, paths: Iterable[Path], rule: str, images: int = 0, **names: str) -> Iterator[dict[str, Any]]:
    """One row for the jobs that have a benchmark, none where there is none."""
    found = [jobs.measured(path) for path in paths if path.exists()]
    if not found:
        return
    measured = pd.concat(found, ignore_index=True)
    seconds = float(measured["s"].sum())
    row = {"stage": STAGES[rule], "rule": rule, **names, "jobs": len(found), "seconds": seconds}
    row |= {"seconds_each": seconds / len(found), "cpu_seconds": measured["cpu_time"].sum(min_count=1)}
    row["peak_memory_mb"] = measured["max_rss"].max()
    yield row | ({"images": images, "images_per_second": images / seconds} if images and seconds else {})


def read_measurement(path: Path) -> pd.DataFrame:
    """Seconds `s`, `cpu_time` in seconds and `max_rss` in MB of a job; what Snakemake could not measure is NaN.

    Raises:
        UserError: the file is damaged.
    """
    # a job too short to be measured has NA, one of another version a dash
    return read_numbers(path, dict.fromkeys(JobUsage._fields, float), "benchmark", sep="\t", na_values=["-"])
