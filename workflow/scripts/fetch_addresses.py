"""Fetch the images of one class from the URLs that the user lists."""

from distillery.jobs import job, with_crawl_policy
from distillery.sources.address_lists import fetch_addresses
from distillery.storage.pools import write_pool
from distillery.storage.store import Store

with job(snakemake) as j:
    source = with_crawl_policy(j)
    entries = fetch_addresses(source, j.params.name, j.params.label, Store.of(j.params.store, source))
    write_pool(j.output.shard, j.output.records, entries)
