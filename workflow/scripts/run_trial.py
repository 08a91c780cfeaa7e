"""Train one student with one learning rate and weight decay, and measure it on the validation images."""

from distillery.distillation.not_run import write_trial_not_run
from distillery.jobs import job
from distillery.splits.scenario_plan import not_run_reason

with job(snakemake) as j:
    if reason := not_run_reason(j.input.plan):
        write_trial_not_run(reason, j.output.trial)
    else:
        # imported here: a trial that is not run needs no torch
        from distillery.distillation.hyperparameter_search import run_trial, write_trial
        from distillery.distillation.methods import arm_of
        from distillery.distillation.scenario_data import load_scenario_data
        from distillery.training.recipe import Recipe

        data = load_scenario_data(
            j.input.plan,
            list(j.input.pixels),
            list(j.params.sources),
            list(j.params.classes),
            j.params.augment,
            int(j.params.augment_seed),
        )
        name = ", ".join(part for part in (j.wildcards.scenario, j.wildcards.get("arm")) if part)
        trial = run_trial(
            data,
            j.input.get("teacher") or "",
            arm=arm_of(j.params.arm),
            recipe=Recipe.of({**j.params.recipe, "checkpoint_every": j.resources.checkpoint_every}),
            lr=float(j.wildcards.lr),
            weight_decay=float(j.wildcards.weight_decay),
            seed=int(j.wildcards.seed),
            label=f"{name}, lr {j.wildcards.lr}, weight decay {j.wildcards.weight_decay}",
            checkpoints=j.params.checkpoints,
            threads=j.threads,
            deterministic=j.params.deterministic,
        )
        write_trial(j.output.trial, trial)
