"""Check with one query whether an image search can be crawled, before its first crawl."""

from contextlib import nullcontext

from distillery.jobs import job, with_crawl_policy
from distillery.sources.search_check import check_search
from distillery.storage.retrieved.refused_pools import SourceRequest, run_check

with job(snakemake) as j:
    check, name, store, demo = j.params.check, j.params.name, j.params.store, j.params.demo
    source = with_crawl_policy(j, check.source)
    web = nullcontext()
    if demo:
        from distillery_demo.web import imitate_web  # imported only here: the library never imports the demo

        web = imitate_web({check.label: [check.query]}, demo["results_per_query"], demo["seed"])
    with web as port:
        request = SourceRequest.of(name, source, store)
        result = run_check(request, check.preflight, lambda: check_search(source, name, check.query, store, port))
    result.write(j.output[0])
