"""Reduces images with antialiasing inside a network, so that every use of the network reduces them the same way."""

from __future__ import annotations

from functools import cache
from math import floor

import numpy as np
import torch
from torch import Tensor, nn

LOBES = 3  # of the Lanczos filter, as in curation


class Reduction(nn.Module):
    """Reduces images: [B, 3, T, T] → [B, 3, S, S], in [0, 1].

    It applies the filter of `curation.decoding.to_square` as two products with a constant matrix. These are
    deterministic on every device and can be exported. It has no weights.

    Args:
        larger: T, pixels a side.
        smaller: S, pixels a side.
    """

    matrix: Tensor

    def __init__(self, larger: int, smaller: int):
        super().__init__()
        self.register_buffer("matrix", torch.from_numpy(lanczos_matrix(larger, smaller)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # bfloat16's 8 significant bits would round pixels
            reduced = self.matrix @ x.float() @ self.matrix.T
        return reduced.clamp(0, 1).contiguous(memory_format=torch.channels_last)


@cache
def lanczos_matrix(larger: int, smaller: int) -> np.ndarray:
    """Pillow's Lanczos filter, float32 [smaller, larger]: row i has the weights of output pixel i, which sum to 1."""
    scale = larger / smaller
    reach = LOBES * scale
    matrix = np.zeros((smaller, larger))
    for row in range(smaller):
        center = (row + 0.5) * scale
        first, end = max(0, floor(center - reach + 0.5)), min(larger, floor(center + reach + 0.5))
        at = (np.arange(first, end) + 0.5 - center) / scale
        weights = np.where(np.abs(at) < LOBES, np.sinc(at) * np.sinc(at / LOBES), 0)
        matrix[row, first:end] = weights / weights.sum()
    return matrix.astype(np.float32)
