"""Crawl an image search for one class."""

from contextlib import nullcontext

from distillery.jobs import job, with_crawl_policy
from distillery.sources.crawling import crawl
from distillery.sources.fetching import Limits
from distillery.sources.search import search_of
from distillery.storage.pools import write_pool
from distillery.storage.store import Store

with job(snakemake) as j:
    source, label, demo = with_crawl_policy(j), j.params.label, j.params.demo
    web = nullcontext()
    if demo:
        from distillery_demo.web import imitate_web  # here alone: nothing in the library imports the demo

        web = imitate_web({label: j.params.queries}, demo["results_per_query"], demo["seed"])
    with web as port:
        search = search_of(source, j.params.name, label, j.params.queries, imitated=bool(demo))
        entries = crawl(search, Limits.of(source), Store.of(j.params.store, source), loopback=port)
        write_pool(j.output.shard, j.output.records, entries)
