"""Import the images of one class that the user already has, in a folder or a tar."""

from distillery.jobs import job
from distillery.sources.folders import import_folder
from distillery.storage.pools import write_pool

with job(snakemake) as j:
    entries = import_folder(j.params.source, j.params.name, j.params.label)
    write_pool(j.output.shard, j.output.records, entries)
