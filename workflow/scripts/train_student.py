"""Train the students of one scenario and arm: of one seed, or of several."""

from distillery.distillation.hyperparameter_search import with_best_setting
from distillery.distillation.not_run import write_training_not_run
from distillery.distillation.training_jobs import TrainingJob, by_plan_and_teacher, train_students
from distillery.jobs import job
from distillery.splits.planned_images import read_planned_images
from distillery.splits.scenario_plan import not_run_reason
from distillery.training.recipe import Recipe

with job(snakemake) as j:
    outputs = (list(j.output.weights), list(j.output.history), list(j.output.training))
    if reason := not_run_reason(j.input.plans[0]):
        for weights, history, training in zip(*outputs, strict=True):
            write_training_not_run(reason, weights=weights, history=history, training=training)
    else:
        classes = list(j.params.classes)
        recipe = Recipe.of({**j.params.recipe, "checkpoint_every": j.resources.checkpoint_every})
        for plan, teacher, files in by_plan_and_teacher(list(j.input.plans), list(j.input.teachers), outputs):
            training_job = TrainingJob(
                images=read_planned_images(plan, list(j.input.pixels), list(j.params.sources), classes),
                classes=classes,
                augment=j.params.augment,
                augment_seed=int(j.params.augment_seed),
                arm=j.params.arm,
                recipe=with_best_setting(recipe, j.input.get("choice")),
                teacher=teacher,
                checkpoints=j.params.checkpoints,
                threads=j.threads,
                deterministic=j.params.deterministic,
                copies=j.params.get("copies", {}),
            )
            train_students(training_job, *files)
