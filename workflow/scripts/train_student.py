"""Train one student: one (scenario, arm, seed)."""

from distillery.distillation.not_run import write_run_not_run
from distillery.jobs import job
from distillery.splits.scenario_plan import not_run_reason

with job(snakemake) as j:
    scenario, arm, seed = j.params.scenario, j.params.arm_name, int(j.wildcards.seed)
    sources, classes = list(j.params.sources), list(j.params.classes)
    outputs = {
        "weights": j.output.weights,
        "history": j.output.history,
        "predictions": j.output.predictions,
        "metrics": j.output.metrics,
    }
    if reason := not_run_reason(j.input.plan):
        write_run_not_run(reason, scenario=scenario, arm=arm, seed=seed, classes=len(classes), **outputs)
    else:
        # imported here: a run that is not run needs no torch
        from distillery.distillation.hyperparameter_search import with_best_setting
        from distillery.distillation.methods import arm_of
        from distillery.distillation.scenario_data import load_scenario_data
        from distillery.distillation.student import train_student
        from distillery.training.recipe import Recipe

        augment, recipe = j.params.augment, {**j.params.recipe, "checkpoint_every": j.resources.checkpoint_every}
        data = load_scenario_data(
            j.input.plan, list(j.input.pixels), sources, classes, augment, int(j.params.augment_seed)
        )
        run = train_student(
            data,
            j.input.teacher,
            scenario=scenario,
            arm_name=arm,
            arm=arm_of(j.params.arm),
            recipe=with_best_setting(Recipe.of(recipe), j.input.get("choice")),
            augment=augment,
            sources=sources,
            seed=seed,
            checkpoints=j.params.checkpoints,
            threads=j.threads,
            deterministic=j.params.deterministic,
        )
        run.save(**outputs)
