"""Train the teacher on its own images."""

from distillery.distillation.teachers.trained import train_teacher
from distillery.jobs import job
from distillery.training.recipe import Recipe

with job(snakemake) as j:
    teacher = train_teacher(
        j.input.data,
        Recipe.of({**j.params.recipe, "checkpoint_every": j.resources.checkpoint_every}),
        seed=int(j.params.seed),
        classes=list(j.params.classes),
        checkpoints=j.params.checkpoints,
        threads=j.threads,
        deterministic=j.params.deterministic,
    )
    teacher.save(weights=j.output.weights, history=j.output.history)
