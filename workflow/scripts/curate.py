"""Curate one source: its kept images as an array, and a table with one row for every candidate."""

from distillery.curation.curated import curate
from distillery.jobs import job

if __name__ == "__main__":  # not in worker processes: they import this file too
    with job(snakemake) as j:
        curate(
            list(zip(j.input.shards, j.input.records, strict=True)),
            j.output.pixels,
            j.output.thumbnails,
            j.output.table,
            side=j.params.image_size,
            **j.params.curation,
            processes=j.threads,
        )
