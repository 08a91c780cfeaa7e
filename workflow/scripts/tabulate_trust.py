"""How many images the teacher knows already, and how many labels it doubts."""

from distillery.analysis.data_quality import tabulate_trust
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_trust(
        j.input.leakage,
        j.input.audits,
        j.input.plans,
        j.output.leakage,
        j.output.audit,
        label=j.params.label,
        splits=j.input.splits,
        elsewhere=list(j.params.elsewhere),
    )
