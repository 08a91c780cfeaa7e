"""Measure large studies on one machine: planning many jobs, and curating and splitting many images.

    python benchmarks/scale.py jobs                   dry-runs of studies of about 500, 5,000 and 20,000 jobs
    python benchmarks/scale.py images [--images N]    100,000 images of 100 classes: pools, curation, split, plan

Prints the seconds and the peak memory of each step.
"""

import argparse
import dataclasses
import hashlib
import io
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from distillery.curation.curated import curate
from distillery.curation.duplicates.near_duplicates import tabulate_near_duplicates
from distillery.splits.scenario_plan import plan_scenario
from distillery.splits.split import split_images
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import image_key, write_pool

ROOT = Path(__file__).parents[1]
JOBS = (500, 5_000, 20_000)
JOBS_PER_SCENARIO = 15  # with six seeds of two arms, about: 12 trainings, a plan, a table, a test
CLASSES = 100
SIDE = 200  # pixels of a raw image; 32 once curated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("jobs", "images"))
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.part == "jobs":
            for jobs in JOBS:
                plan_jobs(Path(folder), jobs)
        else:
            handle_images(Path(folder), options.images, options.processes)


def plan_jobs(folder: Path, jobs: int) -> None:
    """Print the time and peak memory of a dry-run of a study with about `jobs` jobs."""
    classes = {f"class{number}": {"queries": [f"class {number}"]} for number in range(10)}
    scenarios = {f"scenario{n}": {"train": {"google": 10 + 10 * n}} for n in range(jobs // JOBS_PER_SCENARIO)}
    study = {
        "title": "Large",
        "seeds": 6,
        "classes": classes,
        "sources": {"google": {"kind": "google", "per_class": len(scenarios) + 20}},
        "split": {"test": {"google": 100}},
        "teacher": {"data": {"kind": "drawn", "train": 100, "test": 100}, "steps": 10},
        "student": {"steps": 10},
        "scenarios": scenarios,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    output, seconds, memory = measured([*command, "--cores", "all", "--dry-run", "--quiet", "all", "rules"], folder)
    found = re.search(r"^total +(\d+)$", output, re.M)
    print(f"{int(found[1]):,} jobs: planned in {seconds:.0f} s, {memory:.1f} GB", flush=True)


def measured(command: list[str], folder: Path) -> tuple[str, float, float]:
    """The output of a command, its seconds, and its peak memory in GB."""
    started = time.perf_counter()
    with open(folder / "output", "w+") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(text[-2000:])
    return text, time.perf_counter() - started, usage.ru_maxrss / 2**20


def handle_images(folder: Path, count: int, processes: int) -> None:
    """Print the time and peak memory of each step for a source with `count` images."""
    labels = [f"class{number}" for number in range(CLASSES)]
    pools = [(folder / f"{label}.tar", folder / f"{label}.jsonl") for label in labels]
    pixels, thumbnails, table = (folder / f"web.{end}" for end in ("npy", "thumbs.npy", "parquet"))
    splits, pairs = folder / "splits.parquet", folder / "pairs.parquet"
    per_class = count // CLASSES
    print(f"{count:,} images of {SIDE} pixels in {CLASSES} classes, {processes} processes")
    step("drawing and writing the pools", lambda: write_pools(pools, labels, per_class))
    print(f"  {sum(shard.stat().st_size for shard, _ in pools) / 1e9:.1f} GB of pools")
    limits = {"side": 32, "min_side": 32, "processes": processes}
    step("curation", lambda: curate(pools, pixels, thumbnails, table, **limits))
    print(f"  {pixels.stat().st_size / 1e6:.0f} MB of pixels, {table.stat().st_size / 1e6:.0f} MB of table")
    wanted = {"test": {"web": 20 * CLASSES}, "val": {"web": 5 * CLASSES}, "train": {"web": count // 2}}
    kept = {"classes": {"web": labels}, "shortfall": "shrink", "curation": {"min_side": 32}}
    options = {"labels": labels, "wanted": wanted, "seed": 0, **kept}
    step("near-duplicates", lambda: tabulate_near_duplicates([(thumbnails, table)], pairs, processes))
    step("split", lambda: split_images({"web": table}, pairs, splits, **options))
    train = {"train": {"web": count // 2}, "common": ["web"], "augmented": False, **kept}
    step("plan", lambda: plan_scenario(splits, folder / "plan.parquet", scenario="large", **train))


def step(name: str, action: Callable[[], None]) -> None:
    """Print the seconds of an action and the peak memory so far; see `peak_memory`."""
    started = time.perf_counter()
    action()
    print(f"  {name}: {time.perf_counter() - started:.1f} s, {peak_memory():.1f} GB", flush=True)


def peak_memory() -> float:
    """Peak memory in GB of this process, plus that of its largest worker."""
    return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20


def write_pools(pools: list[tuple[Path, Path]], labels: list[str], per_class: int) -> None:
    for number, (label, (shard, records)) in enumerate(zip(labels, pools, strict=True)):
        rng = np.random.default_rng(number)
        write_pool(shard, records, (entry(label, rank, image(rng)) for rank in range(per_class)))


def entry(label: str, rank: int, data: bytes) -> tuple[ImageRecord, bytes]:
    record = ImageRecord("web", label, "urls", f"http://example.org/{label}/{rank}", rank, bytes=len(data))
    return dataclasses.replace(record, key=image_key(data), sha256=hashlib.sha256(data).hexdigest()), data


def image(rng: np.random.Generator) -> bytes:
    """A smooth random JPEG."""
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
