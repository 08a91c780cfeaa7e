"""Measure exported students and the teacher on this machine's CPU."""

from distillery.analysis.table_files import write_table
from distillery.deployment.deployment_table import ExportedStudent, deployment_table
from distillery.jobs import job

with job(snakemake) as j:
    files = (j.input.models, j.input.int8, j.input.weights, j.input.predictions)
    students = [
        ExportedStudent(*name.split(".", 1), *paths) for name, *paths in zip(j.params.students, *files, strict=True)
    ]
    table = deployment_table(
        students,
        j.input.teacher,
        dict(zip(j.params.sources, j.input.pixels, strict=True)),
        threads=j.threads,
        note=j.params.label,
    )
    write_table(table, j.output.table)
