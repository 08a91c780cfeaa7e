"""Choose the learning rate and weight decay of a scenario, or of one of its arms."""

from distillery.distillation.hyperparameter_search import write_choice
from distillery.jobs import job

with job(snakemake) as j:  # noqa: F821
    write_choice(j.output.choice, j.input.trials, j.params.grid)
