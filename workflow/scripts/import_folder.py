"""Import one class of images the user already has: from folders or tars."""

from distillery.jobs import job
from distillery.sources.folders import import_folder
from distillery.storage.pools import write_pool

with job(snakemake) as j:
    entries = import_folder(j.params.source, j.params.name, j.params.label)
    write_pool(j.output.shard, j.output.records, entries)
