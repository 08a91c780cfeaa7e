"""Check whether a diffusion source's model is accessible and runs on this machine, before its first image."""

from distillery.generation.models.model_check import check_model
from distillery.jobs import job, with_crawl_policy
from distillery.storage.retrieved.refused_pools import SourceRequest, run_check

with job(snakemake) as j:
    check, name = j.params.check, j.params.name
    source = with_crawl_policy(j, check.source)
    request = SourceRequest.of(name, source, j.params.store)
    run_check(request, check.preflight, lambda: check_model(source, name, check.gpus)).write(j.output[0])
