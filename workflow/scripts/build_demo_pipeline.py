"""Build the demonstration's small diffusion model, with random weights."""

from pathlib import Path

from distillery.demo.pipelines import build_stable_diffusion_2
from distillery.jobs import job

with job(snakemake) as j:
    build_stable_diffusion_2(Path(j.output.index).parent, seed=j.params.seed, size=j.params.size)
