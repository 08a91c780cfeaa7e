"""Check whether a diffusion source's model is accessible and runs on this machine, before its first image."""

from distillery.generation.look import look_at_model
from distillery.jobs import job, with_crawl_policy
from distillery.storage.retrieved.refused_pools import SourceRequest, verdict_of

with job(snakemake) as j:
    look, name = j.params.look, j.params.name
    source = with_crawl_policy(j, look.source)
    request = SourceRequest.of(name, source, j.params.store)
    verdict_of(request, look.preflight, lambda: look_at_model(source, name, look.gpus)).write(j.output[0])
