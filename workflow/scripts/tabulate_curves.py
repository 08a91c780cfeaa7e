"""Loss and validation accuracy by step, over seeds."""

from distillery.analysis.study_tables.curves import tabulate_curves
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_curves(
        list(j.input.histories),
        j.output.curves,
        scenarios=list(j.params.scenarios),
        arms=list(j.params.arms),
        label=j.params.label,
    )
