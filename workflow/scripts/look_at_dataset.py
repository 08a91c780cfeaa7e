"""Check whether a data set is accessible and has the split, before its first image is fetched."""

from distillery.jobs import job, with_crawl_policy
from distillery.sources.datasets.importing import look_at_dataset
from distillery.storage.retrieved.refused_pools import SourceRequest, verdict_of

with job(snakemake) as j:
    look, name = j.params.look, j.params.name
    source = with_crawl_policy(j, look.source)
    request = SourceRequest.of(name, source, j.params.store)
    verdict_of(request, look.preflight, lambda: look_at_dataset(source, name)).write(j.output[0])
