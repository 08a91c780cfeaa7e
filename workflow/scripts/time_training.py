"""Measure how fast this machine trains the study's networks, for the forecast."""

from distillery.distillation.training_speed import time_training, write_training_speed
from distillery.jobs import job

with job(snakemake) as j:
    write_training_speed(j.output[0], time_training(j.params.request, j.threads))
