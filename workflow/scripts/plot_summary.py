"""Draw the summary figure: the accuracy of every scenario and arm, beside the published numbers."""

from distillery.figures.summary import plot_summary
from distillery.jobs import job

with job(snakemake) as j:
    plot_summary(j.input.summary, j.output.figure, j.params.title, j.params.label)
