"""Check whether a data set is accessible and has the split, before its first image is fetched."""

from distillery.jobs import job, with_crawl_policy
from distillery.sources.datasets.importing import check_dataset
from distillery.storage.retrieved.refused_pools import SourceRequest, run_check

with job(snakemake) as j:
    check, name = j.params.check, j.params.name
    source = with_crawl_policy(j, check.source)
    request = SourceRequest.of(name, source, j.params.store)
    run_check(request, check.preflight, lambda: check_dataset(source, name)).write(j.output[0])
