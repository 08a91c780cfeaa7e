"""The study's tables: runs, summary, counts, teacher."""

from distillery.analysis.study_tables.all_tables import tabulate_study
from distillery.jobs import job
from distillery.splits.refused_sources import lacking_images, read_refusals

with job(snakemake) as j:
    tables = tabulate_study(
        j.input.scenarios,
        j.input.plans,
        j.input.curated,
        j.input.teacher,
        j.params.scenarios,
        j.params.label,
        j.params.untrained,
        j.input.splits,
        list(j.params.other_test_sets),
        j.params.titles,
        lacking_images(read_refusals(j.input.refusals), j.params.classes, j.params.common, j.params.val),
    )
    tables.write(j.output.runs, j.output.summary, j.output.counts, j.output.teacher)
