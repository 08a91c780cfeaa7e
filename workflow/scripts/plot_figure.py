"""Draw one of the figures that need tables alone."""

from distillery.figures.registry import plot_figure
from distillery.jobs import job

with job(snakemake) as j:
    plot_figure(j.params.figure, list(j.input.tables), [j.output.png, j.output.svg], j.params.title, j.params.label)
