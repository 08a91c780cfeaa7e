"""Import the images of one class that the user already has, in a folder or an archive."""

from distillery.curation.decoding import can_be_decoded
from distillery.jobs import job
from distillery.sources.folders.importing import import_folder
from distillery.storage.retrieved.pools import write_pool

with job(snakemake) as j:
    entries = import_folder(j.params.source, j.params.name, j.params.label, can_be_decoded)
    write_pool(j.output.shard, j.output.records, entries)
