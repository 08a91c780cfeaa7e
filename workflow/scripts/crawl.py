"""Crawl an image search for one class."""

from contextlib import nullcontext

from distillery.jobs import job, with_crawl_policy
from distillery.sources.crawling import crawl
from distillery.sources.fetching import Limits
from distillery.sources.search import search_of
from distillery.storage.refused_pools import SourceRequest, write_pools
from distillery.storage.store import Store

with job(snakemake) as j:
    source, label, demo = with_crawl_policy(j), j.params.label, j.params.demo
    request = SourceRequest.of(j.params.name, source, j.params.store, j.input.look)
    web = nullcontext()
    if demo:
        from distillery_demo.web import imitate_web  # here alone: nothing in the library imports the demo

        web = imitate_web({label: j.params.queries}, demo["results_per_query"], demo["seed"])
    with web as port:
        search = search_of(source, j.params.name, label, j.params.queries, imitated=bool(demo))
        limits, store = Limits.of(source), Store.of(j.params.store, source)
        write_pools(
            request,
            {label: (j.output.shard, j.output.records)},
            lambda: [(label, crawl(search, limits, store, loopback=port, whole=request.skip))],
        )
