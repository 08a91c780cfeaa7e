"""Images that do not fit the device: each batch is copied there while the one before is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from distillery.jobs import log
from distillery.training.data.batches import rows_of_step
from distillery.training.data.dataset import ImageDataset

MOST_OF_DEVICE = 0.5  # fraction of the free GPU memory that images may take; network and activations need the rest


def fits_device(images: ImageDataset, device: torch.device) -> bool:
    """Whether all images stay on the device: not if they are in a file, or exceed half of the GPU's free memory."""
    if images.in_file:
        return False
    if device.type != "cuda":
        return True
    free, needed = torch.cuda.mem_get_info(device)[0], images.pixels.nbytes
    if needed <= MOST_OF_DEVICE * free:
        return True
    log.info("%.1f GB of images stay in host memory: the GPU has %.1f GB free", needed / 1e9, free / 1e9)
    return False


def prefetch_batches(
    pixels: Tensor, batch: int, seed: int, steps: Iterable[int], device: torch.device
) -> Iterator[Tensor]:
    """The images of each step on the device, uint8 [batch, 3, S, S], channels last; a thread reads one batch ahead.

    Args:
        pixels: uint8 [N, 3, S, S], channels last, in memory or memory-mapped.
        batch, seed, steps: as for `step_batches`, so that both select the same rows.
    """

    def read(step: int) -> Tensor:
        part = pixels[torch.from_numpy(rows_of_step(len(pixels), batch, step, seed))]
        # pinned memory: the copy runs while the GPU computes
        return part.pin_memory() if device.type == "cuda" else part

    with ThreadPoolExecutor(1) as thread:
        ahead: Future[Tensor] | None = None
        for step in steps:
            after, ahead = ahead, thread.submit(read, step)
            if after:
                yield after.result().to(device, non_blocking=True)
        if ahead:
            yield ahead.result().to(device, non_blocking=True)
