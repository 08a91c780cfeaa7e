"""Draw figures from their tables."""

from distillery.figures.registry import plot_figures
from distillery.jobs import job
from distillery.splits.refused_sources import read_refusals

with job(snakemake) as j:
    plot_figures(
        j.params.figures,
        list(j.input.tables),
        list(j.output),
        j.params.headings,
        label=j.params.label,
        untrained=list(j.params.untrained),
        titles=j.params.titles,
        refused=read_refusals(j.input.refusals),
    )
