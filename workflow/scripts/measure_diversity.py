"""Measure how different the images of each source and class are."""

from distillery.analysis.data_quality.image_diversity import measure_diversity
from distillery.jobs import job

with job(snakemake) as j:
    measure_diversity(
        j.input.pixels, j.input.tables, j.input.weights, j.output.measured, kinds=j.params.kinds, threads=j.threads
    )
