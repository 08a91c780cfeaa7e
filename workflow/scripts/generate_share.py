"""Generate one job's share of a source's images into its store."""

from distillery.generation.diffusion import generate_share
from distillery.generation.models.lora import with_adapter
from distillery.generation.parents import parents_of_job
from distillery.generation.titles import words_of_job
from distillery.jobs import job, with_crawl_policy
from distillery.storage.files import atomic_write
from distillery.storage.retrieved.refused_pools import SourceRequest, records_unless_refused

with job(snakemake) as j:
    source, name, classes, store = with_crawl_policy(j), j.params.name, j.params.classes, j.params.store
    words, model = words_of_job(classes, j.input, source), with_adapter(source, j.input)
    parents = parents_of_job(source, classes, j.input)
    share = int(j.wildcards.share), int(j.params.shares)
    records = records_unless_refused(
        SourceRequest.of(name, source, store, j.input.check),
        classes,
        lambda: generate_share(model, name, words, store, j.params.seed, *share, parents),
    )
    atomic_write(j.output.records, "".join(record.to_json() + "\n" for record in records))
