"""Layers of our networks: convolutions without bias, and batch norm fused with addition and activation."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

MOMENTUM = 0.1  # of the running statistics; torch's default


class Conv2d(nn.Conv2d):
    """torch's convolution without bias: [B, in_channels, H, W] → [B, out_channels, h, w]."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0):
        super().__init__(inputs, outputs, size, stride, padding, bias=False)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm, then the addition of a residual, then an activation: [B, C, H, W] → [B, C, H, W].

    It does not update `num_batches_tracked`. torch counts batches for cumulative averages, which are not used here.

    Args:
        activation: none, relu or gelu.
    """

    def __init__(self, channels: int, activation: str = "none"):
        super().__init__(channels, momentum=MOMENTUM)
        self.activation = activation

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        statistics = (self.running_mean, self.running_var)
        x = F.batch_norm(x, *statistics, self.weight, self.bias, self.training, MOMENTUM, self.eps)
        return ACTIVATIONS[self.activation](x if residual is None else x + residual)


def _relu(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)


def _identity(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": _identity, "relu": _relu, "gelu": F.gelu}
