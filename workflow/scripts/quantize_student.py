"""Quantize an exported student to 8-bit integers, calibrated on its train images."""

from distillery.deployment.quantization import quantize_student
from distillery.jobs import job
from distillery.splits.planned_images import read_planned_images

with job(snakemake) as j:
    sources, classes = list(j.params.sources), list(j.params.classes)
    train = read_planned_images(j.input.plan, list(j.input.pixels), sources, classes)["train"]
    quantize_student(j.input.model, train.pixels[~train.augmented], j.output.model)
