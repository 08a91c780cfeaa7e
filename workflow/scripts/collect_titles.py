"""Collect the titles that came with a source's train images, as prompts for a diffusion model."""

from distillery.generation.titles import collect_titles
from distillery.jobs import job

with job(snakemake) as j:
    collect_titles(
        j.input.splits,
        j.input.table,
        j.input.refusals,
        j.output.prompts,
        source=j.params.source,
        labels=j.params.labels,
    )
