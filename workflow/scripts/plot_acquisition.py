"""Draw how many of each source's candidates are used, kept and dropped."""

from distillery.figures.acquisition import plot_acquisition
from distillery.jobs import job

with job(snakemake) as j:
    plot_acquisition(j.input.counts, j.output.figure, j.params.title, j.params.label, j.params.untrained)
