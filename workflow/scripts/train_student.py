"""Train one student: one (scenario, arm, seed)."""

from distillery.distillation.hyperparameter_search import with_best_setting
from distillery.distillation.methods import arm_of
from distillery.distillation.scenario_data import load_scenario_data
from distillery.distillation.student import train_student
from distillery.jobs import job
from distillery.training.recipe import Recipe

with job(snakemake) as j:
    sources, augment = list(j.params.sources), j.params.augment
    data = load_scenario_data(
        j.input.plan, list(j.input.pixels), sources, list(j.params.classes), augment, int(j.params.augment_seed)
    )
    run = train_student(
        data,
        j.input.teacher,
        scenario=j.params.scenario,
        arm_name=j.params.arm_name,
        arm=arm_of(j.params.arm),
        recipe=with_best_setting(
            Recipe.of({**j.params.recipe, "checkpoint_every": j.resources.checkpoint_every}), j.input.get("choice")
        ),
        augment=augment,
        sources=sources,
        seed=int(j.wildcards.seed),
        checkpoints=j.params.checkpoints,
        threads=j.threads,
        deterministic=j.params.deterministic,
    )
    run.save(
        weights=j.output.weights,
        history=j.output.history,
        predictions=j.output.predictions,
        metrics=j.output.metrics,
    )
