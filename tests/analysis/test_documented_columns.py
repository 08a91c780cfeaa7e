"""docs/tables.md has a section for every table, and a row for each of its columns."""

from pathlib import Path

import pytest

from distillery.analysis import agreement, breakdowns, calibration, comparisons, ranking
from distillery.analysis.data_quality import acceptance, image_diversity, quality_tables
from distillery.analysis.study_tables import costs, counts_table, curves, runs_table, summary_table, teacher_table
from distillery.analysis.study_tables import published_comparison as published
from distillery.config.targets.report_files import PAGE_TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()
TABLES = {
    "runs": runs_table.RUN_COLUMNS, "summary": summary_table.SUMMARY_COLUMNS, "counts": counts_table.COUNT_COLUMNS,
    "teacher": teacher_table.TEACHER_COLUMNS, "comparisons": comparisons.COLUMNS, "ranking": ranking.COLUMNS,
    "per_class": breakdowns.CLASS_COLUMNS, "test_sources": breakdowns.SOURCE_COLUMNS,
    "confusion": breakdowns.CONFUSION_COLUMNS, "calibration": calibration.CALIBRATION_COLUMNS,
    "reliability": calibration.RELIABILITY_COLUMNS, "agreement": agreement.COLUMNS, "curves": curves.COLUMNS,
    "costs": costs.COLUMNS, "published": published.COLUMNS, "leakage": quality_tables.LEAKAGE_COLUMNS,
    "audit": quality_tables.AUDIT_COLUMNS, "acceptance": acceptance.COLUMNS,
    "diversity": (*image_diversity.SCHEMA.names[:-1], "low", "high"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_documented_columns_are_the_written_ones(name):
    section = PAGE.partition(f"## `results/tables/{name}.csv`")[2].partition("\n## ")[0]
    missing = [column for column in TABLES[name] if f"`{column}`" not in section and column != "note"]
    assert section and not missing


def test_every_table_of_the_page_is_documented():
    assert set(PAGE_TABLES) - set(TABLES) == set()
