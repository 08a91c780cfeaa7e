"""Curate one source: its kept images as an array, and every candidate as a row with the reason."""

from distillery.curation.curated import curate
from distillery.jobs import job

if __name__ == "__main__":  # not in the processes that help: they read this file too
    with job(snakemake) as j:
        curate(
            list(zip(j.input.shards, j.input.records, strict=True)),
            j.output.pixels,
            j.output.table,
            side=j.params.image_size,
            **j.params.curation,
            processes=j.threads,
        )
