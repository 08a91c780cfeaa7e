"""Generate the images of a source: one pool for each class."""

from distillery.generation.diffusion import generate
from distillery.generation.models.lora import with_adapter
from distillery.generation.parents import parents_of_job
from distillery.generation.scoring.keeping import RejectedImages
from distillery.generation.titles import words_of_job
from distillery.jobs import job, with_crawl_policy
from distillery.storage.retrieved.refused_pools import SourceRequest, write_pools

with job(snakemake) as j:
    source, name, classes, store = with_crawl_policy(j), j.params.name, j.params.classes, j.params.store
    words, model = words_of_job(classes, j.input, source), with_adapter(source, j.input)
    parents, teacher = parents_of_job(source, classes, j.input), j.input.get("teacher")
    rejected = RejectedImages(j.output.get("rejected"), j.output.get("rejected_records"))
    write_pools(
        SourceRequest.of(name, source, store, j.input.check),
        dict(zip(classes, zip(j.output.shards, j.output.records, strict=True), strict=True)),
        lambda: rejected.set_aside(generate(model, name, words, store, j.params.seed, parents, teacher)),
    )
    rejected.write()
