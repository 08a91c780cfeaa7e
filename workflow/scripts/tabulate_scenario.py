"""One scenario's table: one row a run."""

from distillery.analysis.tables import scenario_table, write_table
from distillery.jobs import job

with job(snakemake) as j:
    write_table(scenario_table(j.input.metrics, j.params.settings), j.output.table)
