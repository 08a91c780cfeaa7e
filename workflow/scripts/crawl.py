"""Crawl an image search for one class."""

from contextlib import nullcontext

from distillery.jobs import job, with_crawl_policy
from distillery.sources.pages.retrieving import retrieve_class
from distillery.sources.search import search_of
from distillery.storage.retrieved.refused_pools import SourceRequest, write_pools
from distillery.storage.retrieved.store import Store

with job(snakemake) as j:
    source, label, demo = with_crawl_policy(j), j.params.label, j.params.demo
    request = SourceRequest.of(j.params.name, source, j.params.store, j.input.check)
    web = nullcontext()
    if demo:
        from distillery_demo.web import imitate_web  # imported only here: the library never imports the demo

        web = imitate_web({label: j.params.queries}, demo["results_per_query"], demo["seed"])
    with web as port:
        search = search_of(source, j.params.name, label, j.params.queries, imitated=bool(demo))
        store = Store.of(j.params.store, source)
        write_pools(
            request,
            {label: (j.output.shard, j.output.records)},
            lambda: [(label, retrieve_class(source, search, store, port, request.skip))],
        )
