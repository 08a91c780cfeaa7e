"""Audit the labels of one source's images by the teacher's predictions."""

from distillery.analysis.data_quality.label_audit import audit_labels
from distillery.jobs import job

with job(snakemake) as j:
    audit_labels(
        j.input.pixels,
        j.input.table,
        j.input.leakage,
        j.input.splits,
        j.input.weights,
        j.input.own_predictions,
        j.output.audit,
        j.output.own_test,
        source=j.params.source,
        threads=j.threads,
    )
