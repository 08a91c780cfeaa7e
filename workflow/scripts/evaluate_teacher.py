"""Test the teacher on its own test images and on every source's."""

from distillery.distillation.teachers.evaluation import evaluate_teacher
from distillery.jobs import job

with job(snakemake) as j:
    evaluation = evaluate_teacher(
        j.input.data,
        j.input.weights,
        j.input.splits,
        list(j.input.pixels),
        list(j.params.sources),
        threads=j.threads,
    )
    evaluation.save(metrics=j.output.metrics, predictions=j.output.predictions)
