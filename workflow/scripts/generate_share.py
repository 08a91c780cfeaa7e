"""Generate one job's share of a source's images into its store."""

from distillery.generation.diffusion import generate_share
from distillery.jobs import job
from distillery.storage.files import atomic_write

with job(snakemake) as j:
    share = int(j.wildcards.share), int(j.params.shares)
    records = generate_share(j.params.source, j.params.name, j.params.classes, j.params.store, j.params.seed, *share)
    atomic_write(j.output.records, "".join(record.to_json() + "\n" for record in records))
