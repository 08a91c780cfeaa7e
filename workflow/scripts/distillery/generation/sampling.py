"""Samples images from a diffusion model in batches: planned records become JPEGs, or failures with a reason."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from distillery.generation.embeddings import PromptEncoder
from distillery.generation.models.diffusion_models import DiffusionSettings
from distillery.generation.models.hub import commit_of
from distillery.generation.parents import read_starts
from distillery.jobs import UserError, log, one_line
from distillery.storage.records import ImageRecord

NO_SHARDS: Mapping[str, str | Path] = MappingProxyType({})
WRITERS = 4  # threads that check images and encode JPEGs
CPU_BATCH = 4
GPU_BATCH = 64  # the largest used; larger ones are no faster
GPU_BYTES_PER_PIXEL = 4096  # a rough estimate for the VAE decoder; a batch that does not fit is halved
DARK = 2.0  # mean of 255 below which an image is black
FLAT = 2.0  # standard deviation of gray, of 255, below which an image is flat; the limit of curation's "blank"


def generate_images(
    pipeline: Any,
    records: Sequence[ImageRecord],
    settings: DiffusionSettings,
    shards: Mapping[str, str | Path] = NO_SHARDS,
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Generate images in batches; the JPEGs of one batch are encoded while the next is sampled.

    Args:
        pipeline: from `load_pipeline`.
        records: from `plan_image`, all with the size and steps of `settings`.
        shards: class → `.tar` of the images from which records start, for image-to-image.

    Yields:
        Each completed record with the JPEG's bytes, or with its failure and None; lowest guidance first.
    """
    dtype = str(getattr(pipeline, "dtype", settings.dtype)).removeprefix("torch.")
    commit = commit_of(settings.model, settings.revision)
    lora_revision = settings.lora.loaded_revision if settings.lora else ""

    def as_loaded(record: ImageRecord) -> ImageRecord:
        """The record with the type and commits that were loaded, so that the image can be generated again."""
        return replace(record, dtype=dtype, revision=commit or record.revision, lora_revision=lora_revision)

    with ThreadPoolExecutor(WRITERS) as writers:
        waiting: list[Future] = []
        try:
            for part, pixels, flagged in _batches(pipeline, records, settings, shards):
                yield from (image.result() for image in waiting)
                done = zip(part, pixels, flagged, strict=True)
                waiting = [writers.submit(finish_image, as_loaded(o), p, f, settings.quality) for o, p, f in done]
        except (Exception, KeyboardInterrupt):  # so that finished images are not lost
            yield from (image.result() for image in waiting)
            raise
        yield from (image.result() for image in waiting)


def _batches(
    pipeline: Any, records: Sequence[ImageRecord], settings: DiffusionSettings, shards: Mapping[str, str | Path]
) -> Iterator[tuple[list[ImageRecord], np.ndarray, list[bool]]]:
    """Batches of records with the output of `run_batch`; a batch that does not fit the GPU is halved.

    A model that cannot be compiled, for example without a C compiler, runs uncompiled.
    """
    import torch

    batch, start, compiled = settings.batch or fitting_batch(settings.size), 0, settings.compile
    records = sorted(records, key=_call_settings)  # stable: records of one call keep their order
    encoder = PromptEncoder(pipeline)
    while start < len(records):
        settings_of_call = _call_settings(records[start])
        part = [record for record in records[start : start + batch] if _call_settings(record) == settings_of_call]
        starts = read_starts(part, shards) if part[0].parent else []
        try:
            made = run_batch(pipeline, part, encoder, starts)
        except torch.OutOfMemoryError:
            made = None  # retried outside this clause, because its error keeps the batch in memory
        except Exception as error:  # compilers share no type of error; another error will occur again uncompiled
            if not compiled:
                raise
            reason = one_line(str(error).split("\n\n")[0], 200)  # the rest is advice to developers
            log.warning("model %s cannot be compiled (%s); going on uncompiled, slower", settings.model, reason)
            torch.compiler.set_stance("force_eager")
            compiled = False
            continue
        if made is None:
            if batch == 1:
                raise UserError(f"model {settings.model}: one image of {settings.size} pixels does not fit the GPU.")
            batch //= 2
            log.info("out of memory; going on with %d images at a time", batch)
            torch.cuda.empty_cache()
            continue
        yield part, *made
        start += len(part)


def _call_settings(record: ImageRecord) -> tuple[float, float]:
    """Guidance and strength, which all images of one call of the pipeline share."""
    return record.guidance, record.strength


def fitting_batch(size: int) -> int:
    """Batch size for images of `size` pixels a side: what fits the GPU's free memory, or 4 on the CPU."""
    import torch

    if not torch.cuda.is_available():
        return CPU_BATCH
    free, _ = torch.cuda.mem_get_info()
    return int(np.clip(0.8 * free / (size**2 * GPU_BYTES_PER_PIXEL), 1, GPU_BATCH))


def run_batch(
    pipeline: Any,
    records: Sequence[ImageRecord],
    encoder: PromptEncoder | None = None,
    starts: Sequence[Image.Image] = (),
) -> tuple[np.ndarray, list[bool]]:
    """Generate one batch with one call of the pipeline.

    Args:
        pipeline: from `load_pipeline`.
        records: all with the same size, guidance, strength, number of steps and negative prompt.
        encoder: of the pipeline, to share its cache of prompts between batches.
        starts: the image from which each record starts, RGB of its size; empty to start from noise alone.

    Returns:
        Images float [B, H, W, 3] in [0, 1] (or NaN), and for each whether the safety checker flagged it.
    """
    import torch

    first, encoder = records[0], encoder or PromptEncoder(pipeline)
    with torch.inference_mode(), fast_attention():
        prompts = [record.prompt for record in records]
        output = pipeline(
            **encoder.arguments(prompts, first.negative_prompt, guided=first.guidance > 1),
            **(start_arguments(pipeline, starts, first) if starts else {"height": first.size, "width": first.size}),
            num_inference_steps=first.steps,
            guidance_scale=first.guidance,
            # on the CPU, where a seed gives the same numbers on every machine
            generator=[torch.Generator("cpu").manual_seed(record.seed) for record in records],
            output_type="np",
        )
    flagged = getattr(output, "nsfw_content_detected", None)
    return output.images, [bool(flag) for flag in flagged] if flagged else [False] * len(records)


def start_arguments(pipeline: Any, starts: Sequence[Image.Image], record: ImageRecord) -> dict[str, Any]:
    """Keyword arguments for an image-to-image pipeline; `height` and `width` only if it has these parameters."""
    sizes = {"height": record.size, "width": record.size}
    known = signature(pipeline.__call__).parameters
    return {
        "image": list(starts),
        "strength": record.strength,
        **{name: value for name, value in sizes.items() if name in known},
    }


def fast_attention() -> AbstractContextManager:
    """A context in which a GPU uses cuDNN's attention where it applies, else torch's choice."""
    import torch

    if not torch.cuda.is_available():
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kinds = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(kinds, set_priority=True)


def finish_image(
    record: ImageRecord, pixels: np.ndarray, flagged: bool, quality: int
) -> tuple[ImageRecord, bytes | None]:
    """Complete a record: encode its image as a JPEG, or note why the image cannot be used.

    Args:
        pixels: float [H, W, 3] in [0, 1].
        flagged: whether the safety checker of the model blanked it.
        quality: of the JPEG.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    failure = "flagged by the safety checker" if flagged else why_unusable(pixels)
    if failure:
        return replace(record, failure=failure, retrieved=now), None
    file = io.BytesIO()
    image = Image.fromarray(np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    image.save(file, format="JPEG", quality=quality)
    data = file.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    return replace(record, key=sha256[:16], sha256=sha256, bytes=len(data), retrieved=now), data


def why_unusable(pixels: np.ndarray) -> str:
    """Why an image, float [H, W, 3] in [0, 1], is unusable: "not a number", "black" or "flat"; empty if usable."""
    if not np.isfinite(pixels).all():
        return "not a number"
    gray = pixels @ np.full(3, 255 / 3, pixels.dtype)  # NumPy's mean over the last axis takes ten times as long
    return "black" if gray.mean() < DARK else "flat" if gray.std() < FLAT else ""
