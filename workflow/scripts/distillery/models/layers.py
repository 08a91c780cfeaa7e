"""The layers of the networks here: convolutions without bias, and batch norm with what follows it."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """As torch's, without a bias: [B, in_channels, H, W] → [B, out_channels, h, w]."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0):
        super().__init__(inputs, outputs, size, stride, padding, bias=False)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm, then what is added to it, then an activation: [B, C, H, W] → [B, C, H, W].

    It does not count its batches: torch does for averages that weigh all batches alike, which nobody takes here.

    Args:
        activation: none, relu or gelu.
    """

    def __init__(self, channels: int, activation: str = "none"):
        super().__init__(channels)
        self.activation = activation

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        statistics = (self.running_mean, self.running_var)
        x = F.batch_norm(x, *statistics, self.weight, self.bias, self.training, self.momentum, self.eps)
        return ACTIVATIONS[self.activation](x if residual is None else x + residual)


def _relu(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)


def _same(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": _same, "relu": _relu, "gelu": F.gelu}
