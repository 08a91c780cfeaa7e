"""Test the students of one scenario and arm: all seeds in one job, which loads the test images once."""

from distillery.distillation.student_evaluation import StudentFiles, evaluate_students
from distillery.jobs import job

with job(snakemake) as j:
    files = (j.input.weights, j.input.trainings, j.output.predictions, j.output.metrics)
    evaluate_students(
        [StudentFiles(*paths) for paths in zip(*files, strict=True)],
        j.input.splits,
        list(j.input.pixels),
        j.output.others,
        sources=list(j.params.sources),
        common=list(j.params.common),
        classes=list(j.params.classes),
        threads=j.threads,
    )
