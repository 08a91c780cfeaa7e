"""A student to take along: one ONNX file, and the card that says what it is worth."""

from distillery.deployment.card import Words
from distillery.deployment.export import export_student
from distillery.jobs import job

with job(snakemake) as j:
    words = Words(j.params.title, j.params.label, j.params.arm, j.params.kinds, list(j.params.untrained))
    export_student(
        weights=j.input.weights,
        metrics=j.input.metrics,
        runs=j.input.runs,
        plan=j.input.plan,
        words=words,
        model=j.output.model,
        card=j.output.card,
    )
