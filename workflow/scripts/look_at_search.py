"""Check with one query whether an image search can be crawled, before its first crawl."""

from contextlib import nullcontext

from distillery.jobs import job, with_crawl_policy
from distillery.sources.look import look_at_search
from distillery.storage.retrieved.refused_pools import SourceRequest, verdict_of

with job(snakemake) as j:
    look, name, store, demo = j.params.look, j.params.name, j.params.store, j.params.demo
    source = with_crawl_policy(j, look.source)
    web = nullcontext()
    if demo:
        from distillery_demo.web import imitate_web  # imported only here: the library never imports the demo

        web = imitate_web({look.label: [look.query]}, demo["results_per_query"], demo["seed"])
    with web as port:
        request = SourceRequest.of(name, source, store)
        verdict = verdict_of(request, look.preflight, lambda: look_at_search(source, name, look.query, store, port))
    verdict.write(j.output[0])
