"""Label images with the class that the teacher finds most probable; leave out those below the threshold."""

from distillery.distillation.teachers.labels import LabeledPaths, label_images
from distillery.jobs import job

with job(snakemake) as j:
    label_images(
        j.input.pixels,
        j.input.thumbnails,
        j.input.table,
        j.input.weights,
        LabeledPaths(**dict(j.output.items())),
        classes=j.params.classes,
        threshold=j.params.threshold,
        threads=j.threads,
    )
