"""Draw one figure from its tables."""

from distillery.figures.registry import plot_figure
from distillery.jobs import job
from distillery.splits.refused_sources import read_refusals

with job(snakemake) as j:
    plot_figure(
        j.params.figure,
        list(j.input.tables),
        list(j.output),
        j.params.title,
        j.params.label,
        list(j.params.untrained),
        j.params.titles,
        read_refusals(j.input.refusals),
    )
