"""Draw a source's largest groups of near-duplicates: the image kept, and those dropped as its copies."""

from distillery.figures.duplicate_sheets import duplicates_sheet
from distillery.jobs import job

with job(snakemake) as j:
    duplicates_sheet(
        list(zip(j.input.shards, j.input.records, strict=True)),
        j.input.table,
        j.output.figure,
        side=j.params.side,
        source=j.params.source,
        title=j.params.title,
        label=j.params.label,
        random_weights=j.params.random_weights,
    )
