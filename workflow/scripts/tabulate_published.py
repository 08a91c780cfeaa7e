"""Tabulate this study's accuracies beside the published ones, with reasons for the differences."""

from distillery.analysis.study_tables.published_comparison import tabulate_published
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_published(
        j.input.summary,
        j.input.test_sources,
        j.output.published,
        scenarios=j.params.scenarios,
        titles=j.params.titles,
        label=j.params.label,
    )
