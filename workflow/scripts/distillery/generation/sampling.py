"""Sampling a diffusion model: records of images in, JPEGs or the reasons of their failure out, batch by batch."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image

from distillery.generation.diffusion_models import DiffusionSettings
from distillery.generation.embeddings import PromptEncoder
from distillery.jobs import UserError, log, one_line
from distillery.storage.records import ImageRecord

WRITERS = 4  # threads that check images and encode JPEGs
CPU_BATCH = 4
GPU_BATCH = 64  # at most; larger ones are no faster
GPU_BYTES_PER_PIXEL = 4096  # rough: the VAE's decoder at full resolution; a batch that does not fit is halved
DARK = 2.0  # mean of 255 below which an image is black
FLAT = 2.0  # standard deviation of gray, of 255, below which it is flat; the same as curation's "blank"


def generate_images(
    pipeline: Any, records: Sequence[ImageRecord], settings: DiffusionSettings
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Make images in batches; JPEGs of one batch are written while the next is sampled.

    Args:
        pipeline: of `load_pipeline`.
        records: of `plan_image`, all with the size and steps of `settings`.

    Yields:
        Each record, completed, with the JPEG's bytes, or with its failure and None; by guidance, lowest first.
    """
    dtype = str(getattr(pipeline, "dtype", settings.dtype)).removeprefix("torch.")
    with ThreadPoolExecutor(WRITERS) as writers:
        waiting: list[Future] = []
        try:
            for part, pixels, flagged in _batches(pipeline, records, settings):
                yield from (image.result() for image in waiting)
                done = zip(part, pixels, flagged, strict=True)
                waiting = [
                    writers.submit(finish_image, replace(o, dtype=dtype), p, f, settings.quality) for o, p, f in done
                ]
        except (Exception, KeyboardInterrupt):  # what is made is kept
            yield from (image.result() for image in waiting)
            raise
        yield from (image.result() for image in waiting)


def _batches(
    pipeline: Any, records: Sequence[ImageRecord], settings: DiffusionSettings
) -> Iterator[tuple[list[ImageRecord], np.ndarray, list[bool]]]:
    """Offers and what `run_batch` makes of them; a batch that does not fit the GPU is halved.

    A model that cannot be compiled, for want of a C compiler say, is used as it is.
    """
    import torch

    batch, start, compiled = settings.batch or fitting_batch(settings.size), 0, settings.compile
    records = sorted(records, key=lambda record: record.guidance)  # one call has one guidance; otherwise as they were
    encoder = PromptEncoder(pipeline)
    while start < len(records):
        part = [record for record in records[start : start + batch] if record.guidance == records[start].guidance]
        try:
            made = run_batch(pipeline, part, encoder)
        except torch.OutOfMemoryError:
            made = None  # retried outside this clause, whose error keeps the batch's memory alive
        except Exception as error:  # compilers share no type of error; any other comes again without them
            if not compiled:
                raise
            reason = one_line(str(error).split("\n\n")[0], 200)  # advice to developers follows
            log.warning("model %s cannot be compiled (%s); going on without, slower", settings.model, reason)
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


def fitting_batch(size: int) -> int:
    """Images of `size` pixels a side to make at a time, by the GPU's free memory; 4 on the CPU."""
    import torch

    if not torch.cuda.is_available():
        return CPU_BATCH
    free, _ = torch.cuda.mem_get_info()
    return int(np.clip(0.8 * free / (size**2 * GPU_BYTES_PER_PIXEL), 1, GPU_BATCH))


def run_batch(
    pipeline: Any, records: Sequence[ImageRecord], encoder: PromptEncoder | None = None
) -> tuple[np.ndarray, list[bool]]:
    """One call of the pipeline.

    Args:
        pipeline: of `load_pipeline`.
        records: of one size, guidance, number of steps and negative prompt.
        encoder: of the pipeline, to remember prompts from batch to batch.

    Returns:
        Images as float [B, H, W, 3] in [0, 1] (or not a number), and whether the safety checker flagged each.
    """
    import torch

    first, encoder = records[0], encoder or PromptEncoder(pipeline)
    with torch.inference_mode(), fast_attention():
        prompts = [record.prompt for record in records]
        output = pipeline(
            **encoder.arguments(prompts, first.negative_prompt, guided=first.guidance > 1),
            height=first.size,
            width=first.size,
            num_inference_steps=first.steps,
            guidance_scale=first.guidance,
            # on the CPU, whose numbers are the same on every machine
            generator=[torch.Generator("cpu").manual_seed(record.seed) for record in records],
            output_type="np",
        )
    flagged = getattr(output, "nsfw_content_detected", None)
    return output.images, [bool(flag) for flag in flagged] if flagged else [False] * len(records)


def fast_attention() -> AbstractContextManager:
    """Within it attention is cuDNN's on a GPU where that can do it, else as torch chooses."""
    import torch

    if not torch.cuda.is_available():
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kinds = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(kinds, set_priority=True)


def finish_image(
    record: ImageRecord, pixels: np.ndarray, flagged: bool, quality: int
) -> tuple[ImageRecord, bytes | None]:
    """Complete a record with its image as a JPEG, or with the reason why it cannot be used.

    Args:
        pixels: float [H, W, 3] in [0, 1].
        flagged: whether the model's safety checker blanked it.
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
    """Why an image (float [H, W, 3] in [0, 1]) shows nothing: not a number, black or flat; else empty."""
    if not np.isfinite(pixels).all():
        return "not a number"
    gray = pixels @ np.full(3, 255 / 3, pixels.dtype)  # of a mean over the last axis NumPy takes ten times as long
    return "black" if gray.mean() < DARK else "flat" if gray.std() < FLAT else ""
