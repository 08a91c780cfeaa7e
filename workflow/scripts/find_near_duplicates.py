"""Find all near-duplicates among the kept images of all sources."""

from distillery.curation.duplicates.near_duplicates import tabulate_near_duplicates
from distillery.jobs import job

if __name__ == "__main__":  # not in worker processes: they import this file too
    with job(snakemake) as j:
        tabulate_near_duplicates(
            list(zip(j.input.thumbnails, j.input.tables, strict=True)),
            j.output.pairs,
            processes=j.threads,
        )
