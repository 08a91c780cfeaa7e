"""Computes the four main tables of a study together: runs, summary, image counts, teacher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from distillery.analysis.study_tables.counts_table import counts_table
from distillery.analysis.study_tables.plan_images import read_plan_counts
from distillery.analysis.study_tables.runs_table import read_run_tables, with_fixed_decimals
from distillery.analysis.study_tables.summary_table import summary_table
from distillery.analysis.study_tables.teacher_table import teacher_table
from distillery.analysis.table_files import read_text_table, write_table
from distillery.display_names import NO_TITLES
from distillery.splits.scenario_plan import not_run_reason


@dataclass(frozen=True)
class StudyTables:
    """The four tables, columns as in docs/tables.md."""

    runs: pd.DataFrame
    summary: pd.DataFrame
    counts: pd.DataFrame
    teacher: pd.DataFrame

    def write(self, runs: str | Path, summary: str | Path, counts: str | Path, teacher: str | Path) -> None:
        """Write each to its path."""
        paths = {"runs": runs, "summary": summary, "counts": counts, "teacher": teacher}
        for name, path in paths.items():
            write_table(getattr(self, name), path)


def tabulate_study(
    scenario_tables: Iterable[str | Path],
    plans: Iterable[str | Path],
    curated: Iterable[str | Path],
    teacher: str | Path,
    comparisons: str | Path,
    scenarios: Mapping[str, Mapping[str, Any]],
    *,
    splits: str | Path,
    tested: Sequence[str],
    label: str = "",
    untrained: Sequence[str] = (),
    titles: Mapping[str, str] = NO_TITLES,
    lacking: str = "",
) -> StudyTables:
    """Compute all four tables of a study.

    Args:
        scenario_tables: the `.csv` of each scenario, from `scenario_table`.
        plans: `{scenario}.parquet` of every scenario.
        curated: `{source}.parquet` of every source, in the configuration's order.
        teacher: the teacher's `metrics.json`.
        comparisons: `comparisons.csv`.
        scenarios: as configured, in order.
        label, untrained, titles, lacking: see `summary_table`.
        splits, tested: see `used_images`.
    """
    plans = list(plans)
    not_run = {Path(path).stem: reason for path in plans if (reason := not_run_reason(path))}
    runs = read_run_tables(scenario_tables, list(scenarios), not_run)
    planned = {Path(path).stem: read_plan_counts(path) for path in plans}
    return StudyTables(
        runs=with_fixed_decimals(runs),
        summary=summary_table(
            runs, planned, scenarios, read_text_table(comparisons), label, untrained, titles, not_run, lacking
        ),
        counts=counts_table(curated, plans, splits, tested),
        teacher=teacher_table(teacher, label),
    )
