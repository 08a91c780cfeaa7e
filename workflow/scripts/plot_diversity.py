"""Write the diversity table and draw it: how different the images of each source and class are."""

from distillery.figures.diversity import show_diversity
from distillery.jobs import job

with job(snakemake) as j:
    show_diversity(
        j.input.measured, j.output.table, j.output.figure, j.params.title, j.params.label, j.params.untrained
    )
