"""Tabulate how many generated images of each class and prompt were kept."""

from distillery.analysis.data_quality.acceptance import tabulate_acceptance
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_acceptance(j.input.records, j.params.rules, j.output.acceptance, label=j.params.label)
