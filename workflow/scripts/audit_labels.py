"""Ask the teacher about the labels of one source's pictures."""

from distillery.jobs import job
from distillery.learning.audit import audit_labels

with job(snakemake) as j:
    audit_labels(
        j.input.pixels,
        j.input.table,
        j.input.leakage,
        j.input.weights,
        j.output.audit,
        source=j.params.source,
        threads=j.threads,
    )
