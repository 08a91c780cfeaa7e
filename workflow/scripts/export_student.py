"""Export a student: one ONNX file, and its model card."""

from distillery.deployment.card import CardSettings
from distillery.deployment.export import export_student
from distillery.jobs import job

with job(snakemake) as j:
    params = j.params
    settings = CardSettings(params.title, params.label, params.arm, params.kinds, list(params.untrained), params.titles)
    export_student(
        weights=j.input.weights,
        metrics=j.input.metrics,
        predictions=j.input.predictions,
        runs=j.input.runs,
        plan=j.input.plan,
        settings=settings,
        model=j.output.model,
        card=j.output.card,
    )
