"""Generate the images of a source: one pool for each class."""

from distillery.generation.diffusion import generate
from distillery.jobs import job
from distillery.storage.pools import write_pool

with job(snakemake) as j:
    pools = generate(j.params.source, j.params.name, j.params.classes, j.params.store, j.params.seed)
    for (_, entries), shard, records in zip(pools, j.output.shards, j.output.records, strict=True):
        write_pool(shard, records, entries)
