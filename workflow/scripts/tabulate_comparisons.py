"""Test the declared comparisons, and rank the scenarios."""

from distillery.analysis.comparisons import tabulate_comparisons
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_comparisons(
        list(j.input.predictions),
        j.input.splits,
        j.output.comparisons,
        j.output.ranking,
        comparisons=j.params.comparisons,
        sizes=j.params.sizes,
        arms=list(j.params.arms),
        correction=j.params.correction,
        label=j.params.label,
    )
