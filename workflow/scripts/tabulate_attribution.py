"""List creator and license of every image that the study used."""

from distillery.analysis.data_quality.attribution import tabulate_attribution
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_attribution(
        j.input.curated,
        j.input.plans,
        j.input.teacher,
        j.output.table,
        splits=j.input.splits,
        tested=list(j.params.tested),
    )
