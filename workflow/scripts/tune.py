"""Choose a scenario's learning rate and weight decay."""

from distillery.jobs import job
from distillery.learning.tuning import write_choice

with job(snakemake) as j:  # noqa: F821
    write_choice(j.output.choice, j.input.trials)
