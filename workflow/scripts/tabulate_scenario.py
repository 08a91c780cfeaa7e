"""Tabulate one scenario: one row for each run."""

from distillery.analysis.study_tables.runs_table import scenario_table
from distillery.analysis.table_files import write_table
from distillery.jobs import job

with job(snakemake) as j:
    write_table(scenario_table(j.input.metrics, j.params.settings, j.params.titles), j.output.table)
