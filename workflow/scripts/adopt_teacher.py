"""Adopt a teacher that is not trained here: a checkpoint, a zero-shot model, or several teachers."""

from distillery.distillation.teachers.adoption import adopt_teacher
from distillery.jobs import job
from distillery.models.weights import save_weights

with job(snakemake) as j:
    teacher = adopt_teacher(
        j.params.settings, list(j.params.classes), int(j.params.image_size), next(iter(j.input.trained), "")
    )
    save_weights(j.output.weights, teacher)
