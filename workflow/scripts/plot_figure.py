"""One figure that is drawn from tables alone."""

from distillery.figures.plots import plot
from distillery.jobs import job

with job(snakemake) as j:
    plot(j.params.figure, list(j.input.tables), [j.output.png, j.output.svg], j.params.title, j.params.label)
