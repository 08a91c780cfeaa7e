"""Draw the accuracy of exported models against their size."""

from distillery.figures.deployment_figure import plot_deployment
from distillery.jobs import job

with job(snakemake) as j:
    plot_deployment(j.input.table, list(j.output), j.params.title, j.params.label)
