"""Train a student with each of some settings of a hyperparameter grid, and measure them on the validation images."""

from distillery.distillation.not_run import write_trial_not_run
from distillery.distillation.training_jobs import TrainingJob, run_trials
from distillery.jobs import job
from distillery.splits.planned_images import read_planned_images
from distillery.splits.scenario_plan import not_run_reason
from distillery.training.recipe import Recipe

with job(snakemake) as j:
    trials = list(j.output.trials)
    if reason := not_run_reason(j.input.plan):
        for trial in trials:
            write_trial_not_run(reason, trial)
    else:
        classes = list(j.params.classes)
        training_job = TrainingJob(
            images=read_planned_images(j.input.plan, list(j.input.pixels), list(j.params.sources), classes),
            classes=classes,
            augment=j.params.augment,
            augment_seed=int(j.params.augment_seed),
            arm=j.params.arm,
            recipe=Recipe.of({**j.params.recipe, "checkpoint_every": j.resources.checkpoint_every}),
            teacher=j.input.get("teacher") or "",
            checkpoints=j.params.checkpoints,
            threads=j.threads,
            deterministic=j.params.deterministic,
            copies=j.params.get("copies", {}),
        )
        run_trials(training_job, trials)
