"""Tabulate leakage from the teacher's data, labels that are probably wrong, and the diversity of images."""

from distillery.analysis.data_quality.diversity_table import tabulate_diversity
from distillery.analysis.data_quality.quality_tables import tabulate_data_quality
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_data_quality(
        j.input.leakage,
        j.input.audits,
        j.input.own_tests,
        j.input.plans,
        j.output.leakage,
        j.output.audit,
        label=j.params.label,
        splits=j.input.splits,
        tested=list(j.params.tested),
        cleaned=list(j.params.cleaned),
    )
    tabulate_diversity(j.input.diversity, j.output.diversity, label=j.params.label)
