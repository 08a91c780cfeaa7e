"""Tabulate accuracy by class and by test source, confusions, calibration, agreement with the teacher, and curves."""

from distillery.analysis.breakdowns import BreakdownPaths, tabulate_breakdowns
from distillery.analysis.study_tables.curves import tabulate_curves
from distillery.jobs import job

with job(snakemake) as j:
    outputs = dict(j.output.items())
    names = {"scenarios": list(j.params.scenarios), "arms": list(j.params.arms), "label": j.params.label}
    tabulate_curves(list(j.input.histories), outputs.pop("curves"), **names)
    tabulate_breakdowns(
        list(j.input.predictions),
        list(j.input.other_test_sets),
        list(j.input.teachers),
        list(j.input.audits),
        BreakdownPaths(**outputs),
        classes=list(j.params.classes),
        sources=list(j.params.sources),
        **names,
    )
