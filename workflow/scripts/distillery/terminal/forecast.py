"""Forecast how long a study takes on this machine, and say what each number is based on.

The numbers are rough: they show whether the study takes an evening or a week.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from distillery.storage.denoiser_weights import folder_weights
from distillery.storage.retrieved.source_checks import SourceCheck
from distillery.storage.work import Work
from distillery.terminal.lines import duration
from distillery.wording import plural

# this module only writes to the terminal, so no result depends on it
CHANGES_NO_RESULT = True

CRAWL_SECONDS = 1.0  # per image; the limits of searches and sites matter more than the machine
IMITATED_SECONDS = 0.02  # per image of a server on this machine
IMAGE_BYTES = {"search": 200_000, "diffusion": 100_000}  # of a usual JPEG from a search and from a diffusion model
COPIES = 2  # of every image: one in the store, one in the pool
# seconds for a denoising step of a million pixels on an NVIDIA H200, which computes matrix products with H200_FLOPS:
# it generates 3.5 images a second with Stable Diffusion 2 (768 pixels, 25 steps), and 2.8 with Stable Diffusion 3
# medium (512 pixels, 28 steps)
GENERATION_SECONDS = {"stable-diffusion-3": 0.049, "": 0.0194}
H200_FLOPS = 7.0e14
SD2_BYTES = 1.73e9  # of its denoiser's weights; the time of a model in a folder is proportional to its size


def forecast(work: Work, checks: Sequence[SourceCheck], speed: Mapping[str, Any], folder: str | Path = ".") -> str:
    """The forecast as lines for the terminal.

    Args:
        work: see `Work`.
        checks: results of the preflight checks; sources that refused take no time.
        speed: as `distillation.training_speed.time_training` returns it.
        folder: of the study, whose disk must have room.
    """
    reasons = {each.source: each.reason for each in checks if each.verdict == "refused"}
    free = shutil.disk_usage(folder).free
    cores = len(os.sched_getaffinity(0))
    machine = f"{plural(cores, 'core')}, {speed['device'] if work.gpus else 'no GPU'}"
    lines = [
        f"Rough forecast for this machine ({machine}), if nothing has been done yet:",
        *_table(
            [
                _crawling(work, set(reasons)),
                _generating(work, reasons, speed),
                _training(work, set(reasons), speed, cores),
                _disk(work, set(reasons), free),
            ]
        ),
    ]
    if work.searches and not work.contact and not work.imitated:
        lines.append("contact is empty: sites cannot reach you, and Wikimedia Commons requires it")
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Aligned lines of rows (what, amount, explanation); rows without an amount are left out."""
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for what, amount, why in rows:
        if amount:
            yield f"  {what.ljust(widths[0])}  {amount.rjust(widths[1])}  {why}"


def _crawling(work: Work, refused: set[str]) -> tuple[str, str, str]:
    counts: dict[str, int] = {}
    for name, (kind, images) in work.searches.items():
        if name not in refused:
            counts[kind] = counts.get(kind, 0) + images
    if not counts:
        return "crawling", "", ""
    text = " and ".join(f"{images:,} images of {kind}" for kind, images in counts.items())
    if work.imitated:
        return "crawling", duration(sum(counts.values()) * IMITATED_SECONDS), f"{text}, imitated on this machine"
    return "crawling", duration(max(counts.values()) * CRAWL_SECONDS), f"{text}, about one image a second from each"


def _generating(work: Work, reasons: Mapping[str, str], speed: Mapping[str, Any]) -> tuple[str, str, str]:
    seconds = {
        name: speed["start"] + images * steps * pixels / 1e6 * _step_seconds(model) * H200_FLOPS / speed["flops"]
        for name, (model, images, steps, pixels) in work.generated.items()
    }
    here = [name for name in seconds if name not in reasons]
    for_gpu = [name for name in seconds if reasons.get(name) == "no GPU"]
    left = ", ".join(f"{name} (on this CPU about {duration(seconds[name])})" for name in for_gpu)
    if here:
        images = sum(work.generated[name][1] for name in here)
        basis = "from the measured speed of matrix products and 3.5 images a second on an NVIDIA H200"
        text = f"{images:,} images of {', '.join(here)}, {basis}" + (f"; left to a GPU: {left}" if left else "")
        return "generating", duration(sum(seconds[name] for name in here) / max(1, work.gpus)), text
    return "generating", "-" * bool(left), f"left to a GPU: {left}"


def _step_seconds(model: str) -> float:
    """Seconds for a denoising step of a million pixels on an NVIDIA H200."""
    if sizes := folder_weights(Path(model)):
        return GENERATION_SECONDS[""] * sum(sizes) / SD2_BYTES
    return next(seconds for part, seconds in GENERATION_SECONDS.items() if part in model)


def _training(work: Work, refused: set[str], speed: Mapping[str, Any], cores: int) -> tuple[str, str, str]:
    run = [each for each in work.trainings if not refused & set(each.sources)]
    step = {False: speed["scratch_step"], True: speed["kd_step"]}
    at_once = work.gpus or cores
    # the trainings of a scenario and arm share a job, so Python starts once for them
    students = sum(speed["start"] + each.count * each.steps * step[each.teacher] for each in run)
    # the teacher is trained on all cores
    seconds = students / at_once + work.teacher_steps * speed["teacher_step"] / (1 if work.gpus else cores)
    count = sum(each.count for each in run)
    milliseconds = " and ".join(f"{1000 * seconds:,.{int(seconds < 0.01)}f}" for seconds in step.values())
    teacher = f"the teacher ({work.networks[0]}) and " if work.teacher_steps else ""
    text = (
        f"{teacher}{count:,} trainings of {work.networks[1]}, whose step takes"
        f" {milliseconds} ms from scratch and distilled (measured), {at_once} at a time"
    )
    if speed["kd_step"] == speed["scratch_step"] and any(each.teacher for each in run):
        text += "; the teacher's outputs take time too, which is not included"
    return "training", duration(seconds), text + "; networks for a machine without a GPU" * work.without_gpu


def _disk(work: Work, refused: set[str], free: int) -> tuple[str, str, str]:
    counts = {"search": {name: images for name, (_, images) in work.searches.items()}}
    counts["diffusion"] = {name: images for name, (_, images, _, _) in work.generated.items()}
    needed = COPIES * sum(
        images * IMAGE_BYTES[kind]
        for kind, by_source in counts.items()
        for name, images in by_source.items()
        if name not in refused
    )
    short = "; not enough: free disk space, or lower per_class" if needed > free else ""
    return "disk", f"{ceil(needed / 1e8) / 10:g} GB", f"of {free / 1e9:,.0f} GB free" + short
