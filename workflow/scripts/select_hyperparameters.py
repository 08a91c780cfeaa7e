"""Select the learning rate and weight decay of a scenario, or of one of its arms."""

from distillery.distillation.hyperparameter_search import write_best_setting
from distillery.jobs import job

with job(snakemake) as j:
    arm = j.wildcards.get("arm")
    label = f"scenario {j.wildcards.scenario}" + (f", arm {arm}" if arm else "")
    write_best_setting(j.output.choice, j.input.trials, j.params.grid, label)
