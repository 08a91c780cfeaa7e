"""Write the study's tables: comparisons and ranking, runs, summary, counts, teacher."""

from distillery.analysis.comparisons import tabulate_comparisons
from distillery.analysis.designs.run_design import RunDesign
from distillery.analysis.study_tables.all_tables import tabulate_study
from distillery.jobs import job
from distillery.splits.refused_sources import lacking_images, read_refusals

with job(snakemake) as j:
    tabulate_comparisons(
        list(j.input.predictions),
        j.input.splits,
        j.output.comparisons,
        j.output.ranking,
        comparisons=j.params.comparisons,
        sizes=j.params.sizes,
        arms=list(j.params.arms),
        correction=j.params.correction,
        design=RunDesign(j.params.teachers, j.params.draws),
        without_teacher=list(j.params.without_teacher),
        chosen_by_teacher=list(j.params.chosen_by_teacher),
        plans=list(j.input.plans) if j.params.draws > 1 else [],
        label=j.params.label,
    )
    tables = tabulate_study(
        j.input.scenarios,
        j.input.plans,
        j.input.curated,
        j.input.teacher,
        j.output.comparisons,
        j.params.scenarios,
        splits=j.input.splits,
        tested=list(j.params.tested),
        label=j.params.label,
        untrained=j.params.untrained,
        titles=j.params.titles,
        lacking=lacking_images(read_refusals(j.input.refusals), j.params.classes, j.params.common, j.params.val),
    )
    tables.write(j.output.runs, j.output.summary, j.output.counts, j.output.teacher)
