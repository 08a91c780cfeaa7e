"""Import one class of pictures the user already has: from folders or tars."""

from distillery.jobs import job
from distillery.pools import write_pool
from distillery.sources.folders import import_folder

with job(snakemake) as j:
    entries = import_folder(j.params.source, j.params.name, j.params.label)
    write_pool(j.output.shard, j.output.offers, entries)
