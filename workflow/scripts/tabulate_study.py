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
        j.input.comparisons,
        j.params.scenarios,
        splits=j.input.splits,
        tested=list(j.params.tested),
        label=j.params.label,
        untrained=j.params.untrained,
        titles=j.params.titles,
        lacking=lacking_images(read_refusals(j.input.refusals), j.params.classes, j.params.common, j.params.val),
    )
    tables.write(j.output.runs, j.output.summary, j.output.counts, j.output.teacher)
