"""How different the images of each source and class are, with intervals."""

from distillery.analysis.data_quality.diversity_table import tabulate_diversity
from distillery.jobs import job

with job(snakemake) as j:
    tabulate_diversity(j.input.measured, j.output.diversity, label=j.params.label)
