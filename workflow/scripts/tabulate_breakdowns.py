"""Accuracy by class, by test source and by confusion; calibration and agreement with the teacher."""

from distillery.analysis.breakdowns import BreakdownPaths, tabulate_breakdowns
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_breakdowns(
        list(j.input.predictions),
        list(j.input.other_test_sets),
        list(j.input.teachers),
        list(j.input.audits),
        BreakdownPaths(**dict(j.output.items())),
        classes=list(j.params.classes),
        sources=list(j.params.sources),
        scenarios=list(j.params.scenarios),
        arms=list(j.params.arms),
        label=j.params.label,
    )
