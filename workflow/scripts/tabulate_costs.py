"""Tabulate the time, memory and images of each stage's jobs."""

from distillery.analysis.study_tables.costs import tabulate_costs
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_costs(
        j.params.benchmarks,
        j.params.checkpoints,
        j.input.runs,
        j.input.counts,
        j.output.costs,
        sources=j.params.sources,
        trials=list(j.params.trials),
        label=j.params.label,
    )
