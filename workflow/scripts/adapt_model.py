"""Adapt the model of a diffusion source to another source's train images."""

from distillery.generation.adapting import adapt_unless_refused, train_adapter
from distillery.generation.parents import train_images_of
from distillery.jobs import job, with_crawl_policy
from distillery.storage.retrieved.refused_pools import SourceRequest

with job(snakemake) as j:
    source, files, every = with_crawl_policy(j), j.input, j.resources.checkpoint_every
    images = train_images_of(source["adapt"]["source"], j.params.labels, files.splits, files.refusals, files.parents)
    adapt_unless_refused(
        SourceRequest.of(j.params.name, source, j.params.store, files.check),
        j.output.adapter,
        lambda: train_adapter(
            source, images, j.output.adapter, checkpoints=j.params.checkpoints, checkpoint_every=every
        ),
    )
