"""Fetch the images of one class from the URLs that the user lists."""

from distillery.jobs import job, with_crawl_policy
from distillery.sources.address_lists import fetch_addresses
from distillery.storage.retrieved.refused_pools import SourceRequest, write_pools
from distillery.storage.retrieved.store import Store

with job(snakemake) as j:
    source, name, label = with_crawl_policy(j), j.params.name, j.params.label
    store = Store.of(j.params.store, source)
    write_pools(
        SourceRequest.of(name, source, j.params.store),
        {label: (j.output.shard, j.output.records)},
        lambda: [(label, fetch_addresses(source, name, label, store))],
    )
