"""Draw one figure from its tables."""

from distillery.figures.registry import plot_figure
from distillery.jobs import job

with job(snakemake) as j:
    name, untrained = j.params.figure, list(j.params.untrained)
    plot_figure(name, list(j.input.tables), list(j.output), j.params.title, j.params.label, untrained)
