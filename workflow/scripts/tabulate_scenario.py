"""One scenario's table: one row a run."""

from distillery.evidence.tables import scenario_table, write_table
from distillery.jobs import job

with job(snakemake) as j:  # noqa: F821
    write_table(scenario_table(j.input.metrics, j.params.settings), j.output.table)
