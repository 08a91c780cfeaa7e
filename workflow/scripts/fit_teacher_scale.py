"""Fit the scale of a zero-shot teacher's logits on the validation images of the common sources."""

from distillery.distillation.teachers.logit_scale import fit_teacher_scale
from distillery.jobs import job
from distillery.models.weights import save_weights

with job(snakemake) as j:
    teacher = fit_teacher_scale(
        j.input.weights, j.input.splits, list(j.input.pixels), list(j.params.sources), threads=j.threads
    )
    save_weights(j.output.weights, teacher)
