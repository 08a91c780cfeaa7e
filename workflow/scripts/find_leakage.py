"""Find images that are near-duplicates of the teacher's."""

from distillery.curation.leakage import find_leakage
from distillery.jobs import job

if __name__ == "__main__":  # not in worker processes: they import this file too
    with job(snakemake) as j:
        find_leakage(
            list(zip(j.input.pixels, j.input.tables, strict=True)),
            j.input.data,
            j.output.leakage,
            processes=j.threads,
        )
