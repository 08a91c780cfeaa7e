"""Test the declared comparisons, and rank the scenarios."""

from distillery.analysis.comparisons import tabulate_comparisons
from distillery.analysis.designs.run_design import RunDesign
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
        design=RunDesign(j.params.teachers, j.params.draws),
        without_teacher=list(j.params.without_teacher),
        plans=list(j.input.plans),
        label=j.params.label,
    )
