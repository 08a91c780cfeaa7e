"""Import the images of one class from a data set in the form of the Hugging Face hub."""

from distillery.curation.decoding import can_be_decoded
from distillery.jobs import job, with_crawl_policy
from distillery.sources.datasets.importing import import_dataset
from distillery.storage.retrieved.refused_pools import SourceRequest, write_pools

with job(snakemake) as j:
    source, name, label = with_crawl_policy(j), j.params.name, j.params.label
    write_pools(
        SourceRequest.of(name, source, j.params.store, j.input.check),
        {label: (j.output.shard, j.output.records)},
        lambda: [(label, import_dataset(source, name, label, can_be_decoded))],
    )
