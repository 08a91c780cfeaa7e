"""Assign every kept image of every source to training, validation or test."""

from distillery.jobs import job
from distillery.splits.split import split_images

with job(snakemake) as j:
    split_images(
        dict(zip(j.params.classes, j.input.tables, strict=True)),
        j.input.near_duplicates,
        j.output.splits,
        classes=j.params.classes,
        labels=j.params.labels,
        wanted=j.params.wanted,
        seed=j.params.seed,
        shortfall=j.params.shortfall,
        curation=j.params.curation,
        leakage=j.input.get("leakage"),
        refusals=j.output.refusals,
        assignments=j.params.assignments,
        common=j.params.common,
        tuned=j.params.tuned,
        limits=j.params.limits,
    )
