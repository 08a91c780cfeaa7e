"""Train one student: one (scenario, arm, seed)."""

from distillery.jobs import job
from distillery.learning.recipe import Recipe
from distillery.learning.student import Arm, train_student

with job(snakemake) as j:  # noqa: F821
    run = train_student(
        j.input.plan,
        list(j.input.pixels),
        j.input.teacher,
        scenario=j.params.scenario,
        arm_name=j.params.arm_name,
        arm=Arm.of(j.params.arm),
        recipe=Recipe.of(j.params.recipe),
        augment=j.params.augment,
        sources=list(j.params.sources),
        classes=list(j.params.classes),
        seed=int(j.wildcards.seed),
        augment_seed=int(j.params.augment_seed),
        checkpoints=j.params.checkpoints,
        threads=j.threads,
    )
    run.save(
        weights=j.output.weights,
        history=j.output.history,
        predictions=j.output.predictions,
        metrics=j.output.metrics,
    )
