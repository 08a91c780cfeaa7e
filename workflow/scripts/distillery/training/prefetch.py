"""Images that do not fit the device: each batch is copied there while the one before is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from distillery.jobs import log
from distillery.training.batches import rows_of_step
from distillery.training.dataset import ImageDataset

MOST_OF_DEVICE = 0.5  # of the device's free memory, for images; networks and activations need the rest


def fits_device(images: ImageDataset, device: torch.device) -> bool:
    """Whether a training keeps its images on the device: all of them in memory, and at most half of what is free."""
    if images.in_file:
        return False
    if device.type != "cuda":
        return True
    free, needed = torch.cuda.mem_get_info(device)[0], images.pixels.nbytes
    if needed <= MOST_OF_DEVICE * free:
        return True
    log.info("%.1f GB of images stay in host memory: %.1f GB of the GPU are free", needed / 1e9, free / 1e9)
    return False


def prefetch_batches(
    pixels: Tensor, batch: int, seed: int, steps: Iterable[int], device: torch.device
) -> Iterator[Tensor]:
    """The images of each step on the device, uint8 [batch, 3, S, S], channels last; one thread reads a batch ahead.

    Args:
        pixels: uint8 [N, 3, S, S], channels last, in memory or mapped.
        batch, seed, steps: as of `step_batches`, whose rows these are.
    """

    def read(step: int) -> Tensor:
        part = pixels[torch.from_numpy(rows_of_step(len(pixels), batch, step, seed))]
        # pinned, so that the transfer and the GPU do not wait for each other
        return part.pin_memory() if device.type == "cuda" else part

    with ThreadPoolExecutor(1) as thread:
        ahead: Future[Tensor] | None = None
        for step in steps:
            after, ahead = ahead, thread.submit(read, step)
            if after:
                yield after.result().to(device, non_blocking=True)
        if ahead:
            yield ahead.result().to(device, non_blocking=True)
