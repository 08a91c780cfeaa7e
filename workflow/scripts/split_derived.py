"""Add the images of derived sources to the splits of the base sources, only for training."""

from distillery.jobs import job
from distillery.splits.derived import split_derived_images

with job(snakemake) as j:
    split_derived_images(
        j.input.base,
        dict(zip(j.params.sources, j.input.tables, strict=True)),
        j.input.near_duplicates,
        j.output.splits,
        records=j.input.records,
        labels=j.params.labels,
        seed=j.params.seed,
        base_refusals=j.input.base_refusals,
        refusals=j.output.refusals,
        leakage=j.input.get("leakage"),
        assignments=j.params.assignments,
    )
