"""The costs table: time and memory of each stage, from the usage files of trainings and from Snakemake's benchmarks.

A benchmark measures one process. This may be only the last process of an interrupted training, or one that trained
several students. So each training records its own usage beside its checkpoint (`distillery.storage.host.usage`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from distillery.analysis.formatting import formatted
from distillery.analysis.table_files import NAMES_OF_COUNTS, read_numbers, read_table, write_table
from distillery.jobs import require_whole
from distillery.storage.host.usage_file import FILE, UsageRow

COLUMNS = (
    "stage", "rule", "source", "scenario", "arm", "jobs", "seconds", "seconds_each", "cpu_seconds", "peak_memory_mb",
    "images", "images_per_second", "note",
)  # fmt: skip
# rule → stage; rules of tables and figures are left out, because some run after this table is written
STAGES = {
    "crawl": "acquire", "fetch_addresses": "acquire", "import_folder": "acquire", "generate": "acquire",
    "curate": "curate", "curate_unlabeled": "curate", "split": "split", "split_derived": "split",
    "plan_scenario": "split", "plan_another_draw": "split",
    "prepare_teacher_data": "teach", "train_teacher": "teach", "train_another_teacher": "teach",
    "adopt_teacher": "teach", "fit_teacher_scale": "teach", "evaluate_teacher": "teach",
    "evaluate_another_teacher": "teach", "label_images": "teach", "find_leakage": "audit", "audit_labels": "audit",
    "measure_diversity": "audit", "run_trial": "study", "select_hyperparameters": "study", "run_arm_trial": "study",
    "select_arm_hyperparameters": "study", "train_student": "study", "evaluate_students": "study",
}  # fmt: skip
SCENARIO_RULES = ("plan_scenario", "plan_another_draw", "run_trial", "select_hyperparameters")
TEACHER_RULES = ("train_another_teacher", "evaluate_another_teacher")
TRIAL_RULES = ("run_trial", "run_arm_trial")
ARM_RULES = ("run_arm_trial", "select_arm_hyperparameters", "train_student", "evaluate_students")


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
        benchmarks: folder of `{rule}.tsv` and `{rule}/….tsv`. A copied study may lack some; such jobs are left out.
        checkpoints: folder of `{rule}/…/`, where each training recorded its usage; may lack some too.
        runs, counts: `runs.csv` and `counts.csv`, for the number of images processed.
        output: the `.csv` to write.
        sources: classes of each source that students or the teacher use, by name.
        trials: names of the study's trials; those of an earlier grid are left out.
        label: column `note` of every row.

    Raises:
        UserError: a benchmark is damaged.
    """
    run_table, count_table = read_table(runs), read_table(counts, NAMES_OF_COUNTS)
    jobs = Measurements(Path(benchmarks), Path(checkpoints), frozenset(trials))
    rows = list(_study_rows(jobs, sorted(set(run_table["scenario"]))))
    rows += _source_rows(jobs, count_table, sources)
    rows += _student_rows(jobs, run_table)
    order = list(STAGES)
    rows.sort(key=lambda row: order.index(row["rule"]))
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).assign(note=label)
    rates = dict.fromkeys(("seconds", "seconds_each", "cpu_seconds", "peak_memory_mb"), 1)
    write_table(formatted(table, rates | {"jobs": 0, "images": 0, "images_per_second": 1}), output)


@dataclass(frozen=True)
class Measurements:
    """The measured costs of a study's jobs.

    Attributes:
        benchmarks, checkpoints, trials: as in `tabulate_costs`.
    """

    benchmarks: Path
    checkpoints: Path
    trials: frozenset[str]

    def of(self, rule: str, *names: str) -> list[str]:
        """The jobs of a rule as `{rule}/{name}`; of trials, only those of the study.

        Args:
            rule: name of the rule.
            names: first parts of the jobs' names, such as scenario and arm; none for all jobs.
        """
        found = self.trials if rule in TRIAL_RULES else {path.stem for path in (self.benchmarks / rule).glob("*.tsv")}
        return [f"{rule}/{name}" for name in sorted(found) if tuple(name.split(".")[: len(names)]) == names]

    def measured(self, name: str) -> pd.DataFrame | None:
        """Time and memory of a job, as in `read_measurement`; None if they were not measured.

        Args:
            name: `{rule}`, or `{rule}/{name}`.
        """
        paths = (self.checkpoints / name / FILE, self.benchmarks / f"{name}.tsv")
        require_whole(paths[:1])  # the benchmarks, which Snakemake writes, have no digest
        return next((read_measurement(path) for path in paths if path.exists()), None)


def _study_rows(jobs: Measurements, scenarios: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of rules with one job per study, scenario or teacher; one row sums all jobs of a rule."""
    for rule in STAGES:
        names = [rule]
        if rule in SCENARIO_RULES:
            names = [name for scenario in scenarios for name in jobs.of(rule, scenario)]
        elif rule in TEACHER_RULES:
            names = jobs.of(rule)
        yield from _row(rule, [jobs.measured(name) for name in names])


def _source_rows(
    jobs: Measurements, counts: pd.DataFrame, sources: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Rows of rules with one job per source, or one per source and class.

    Sources that only the teacher uses have no counts, so no images either.
    """
    totals = counts.groupby("source")[["candidates", "retrieved", "kept"]].sum()
    processed = {"curate": "retrieved", "label_images": "retrieved", "audit_labels": "kept"}
    for source, classes in sources.items():
        # rules of scenarios are left out, because a scenario may have the name of a source
        for rule in (name for name in STAGES if name not in (*SCENARIO_RULES, *TEACHER_RULES, *ARM_RULES)):
            names = [f"{rule}/{name}" for name in (source, *(f"{source}.{label}" for label in classes))]
            # if several jobs generate a source, each generates a share, and `generate` collects the shares
            names += jobs.of(f"{rule}_share", source)
            column = processed.get(rule, "retrieved")
            images = int(totals.at[source, column]) if source in totals.index else 0
            yield from _row(rule, [jobs.measured(name) for name in names], images, source=source)


def _student_rows(jobs: Measurements, runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of rules whose jobs belong to one (scenario, arm)."""
    for (scenario, arm), group in runs.groupby(["scenario", "arm"], sort=False):
        names = {rule: jobs.of(rule, scenario, arm) for rule in ARM_RULES}
        names["train_student"] = [f"train_student/{scenario}.{arm}.seed{seed}" for seed in group["seed"]]
        for rule in ARM_RULES:
            measured, images = [jobs.measured(name) for name in names[rule]], 0
            if rule == "train_student":
                known = [each is not None for each in measured]  # a copied study may lack some
                images = int((group["steps"] * group["batch"])[known].sum())
            yield from _row(rule, measured, images, scenario=scenario, arm=arm)


def _row(
    rule: str, measurements: Iterable[pd.DataFrame | None], images: int = 0, **names: str
) -> Iterator[dict[str, Any]]:
    """One row for the jobs that were measured; no row if none was."""
    found = [each for each in measurements if each is not None]
    if not found:
        return
    measured = pd.concat(found, ignore_index=True)
    seconds = float(measured["s"].sum())
    row: dict[str, Any] = {"stage": STAGES[rule], "rule": rule, **names, "jobs": len(found), "seconds": seconds}
    row |= {"seconds_each": seconds / len(found), "cpu_seconds": measured["cpu_time"].sum(min_count=1)}
    row["peak_memory_mb"] = measured["max_rss"].max()
    yield row | ({"images": images, "images_per_second": images / seconds} if images and seconds else {})


def read_measurement(path: Path) -> pd.DataFrame:
    """Read a job's time `s` and `cpu_time` in seconds and `max_rss` in MB; NaN where Snakemake could not measure.

    Raises:
        UserError: the file is damaged.
    """
    # Snakemake writes NA for a job too short to measure; other versions write a dash
    return read_numbers(path, dict.fromkeys(UsageRow._fields, float), "benchmark", sep="\t", na_values=["-"])
