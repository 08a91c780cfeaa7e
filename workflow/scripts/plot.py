"""Draw one figure from its tables."""

from distillery.figures.registry import plot_figure
from distillery.jobs import job

with job(snakemake) as j:
    name, untrained = j.params.figure, list(j.params.untrained)
    inputs, outputs = list(j.input.tables), list(j.output)
    plot_figure(name, inputs, outputs, j.params.title, j.params.label, untrained, j.params.titles)
