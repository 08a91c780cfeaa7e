"""Convolution and batch norm that know how wide a processor is.

A processor computes batch norm 16 channels at a time (with AVX-512), and what is left over one by one: 24 channels take
four times as long as 32, 8 nine times as long as 16. While they learn on a processor, these layers therefore carry
channels of zeros up to the next multiple. Their weights are zeros too, so that a zero stays one through batch norm,
ReLU, GELU and pooling, and adds nothing to a sum: the network is the same, and its weights have the same shapes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LANES = 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8  # float32 numbers of a vector register


def whole_vectors(channels: int) -> int:
    """The next multiple of a vector's numbers."""
    return -(-channels // LANES) * LANES


class Conv2d(nn.Conv2d):
    """As torch's, without a bias; learning on a processor it gives, and may be given, channels of zeros after its own.

    [B, at least in_channels, H, W] → [B, at least out_channels, h, w].
    """

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0):
        super().__init__(inputs, outputs, size, stride, padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        more_in, more_out = x.shape[1] - self.in_channels, whole_vectors(self.out_channels) - self.out_channels
        if not self.training or x.is_cuda or not (more_in or more_out):
            return super().forward(x)
        return self._conv_forward(x, F.pad(self.weight, (0, 0, 0, 0, 0, more_in, 0, more_out)), None)


class BatchNorm2d(nn.BatchNorm2d):
    """As torch's, but that it does not count its batches; learning it may be given channels of zeros after its own.

    Torch counts for averages that weigh all batches alike, which nobody takes here: on a GPU one kernel a layer.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        own, more = self.num_features, x.shape[1] - self.num_features
        parts = (self.running_mean, self.running_var, self.weight, self.bias)
        mean, variance, weight, bias = (F.pad(part, (0, more)) for part in parts) if more else parts
        x = F.batch_norm(x, mean, variance, weight, bias, True, self.momentum, self.eps)
        if more:
            self.running_mean.copy_(mean[:own])
            self.running_var.copy_(variance[:own])
        return x
