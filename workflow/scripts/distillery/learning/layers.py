"""The layers of the networks here, which know what they learn on.

A processor computes batch norm 16 channels at a time (with AVX-512), and what is left over one by one: 24 channels take
four times as long as 32, 8 nine times as long as 16. While they learn on a processor, these layers therefore carry
channels of zeros up to the next multiple. Their weights are zeros too, so that a zero stays one through batch norm,
ReLU, GELU and pooling, and adds nothing to a sum: the network is the same, and its weights have the same shapes.

A GPU waits for kernels: a step of a small network is a chain of some hundred, of a few microseconds each. There, batch
norm, what is added to it and its activation are two kernels forward and two back (`fused_norm.py`), and the weights
become bfloat16 all at once (`lent`) instead of one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distillery.jobs import log

LANES = 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8  # float32 numbers of a vector register


def whole_vectors(channels: int) -> int:
    """The next multiple of a vector's numbers."""
    return -(-channels // LANES) * LANES


class Conv2d(nn.Conv2d):
    """As torch's, without a bias; learning on a processor it gives, and may be given, channels of zeros after its own.

    [B, at least in_channels, H, W] → [B, at least out_channels, h, w].
    """

    lent: Tensor | None = None

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0):
        super().__init__(inputs, outputs, size, stride, padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight if self.lent is None else self.lent
        more_in, more_out = x.shape[1] - self.in_channels, whole_vectors(self.out_channels) - self.out_channels
        if self.training and not x.is_cuda and (more_in or more_out):
            weight = F.pad(weight, (0, 0, 0, 0, 0, more_in, 0, more_out))
        return self._conv_forward(x, weight, self.bias)


class Linear(nn.Linear):
    """As torch's: [B, inputs] → [B, outputs]."""

    lent: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight if self.lent is None else self.lent, self.bias)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm, then what is added to it, then an activation: [B, C, H, W] → [B, C, H, W].

    Learning on a processor it may be given channels of zeros after its own. It does not count its batches: torch does
    for averages that weigh all batches alike, which nobody takes here.

    Args:
        activation: none, relu or gelu.
    """

    def __init__(self, channels: int, activation: str = "none"):
        super().__init__(channels)
        self.activation = activation

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self.training and x.is_cuda and (fused := _fused()) and fused.usable(x):
            statistics = (self.running_mean, self.running_var, self.momentum, self.eps)
            return fused.norm_act(x, self.weight, self.bias, *statistics, self.activation, residual)
        x = self._normalised(x)
        return ACTIVATIONS[self.activation](x if residual is None else x + residual)

    def _normalised(self, x: Tensor) -> Tensor:
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


def _relu(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)


def _same(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": _same, "relu": _relu, "gelu": F.gelu}


@cache
def _fused() -> ModuleType | None:
    """The kernels written for a GPU; None where they cannot be compiled (no Triton, no C compiler, an old card)."""
    try:
        from distillery.learning import fused_norm  # half a second, which a training on a processor does not pay

        parts = torch.zeros(4, 8, device="cuda")
        fused_norm.norm_act(
            torch.zeros(1, 8, 2, 2, device="cuda").to(memory_format=torch.channels_last), *parts, 0.1, 1e-5, "none"
        )
    except Exception as error:  # Triton's compilers raise what they like
        log.info("batch norm as torch has it: no kernels of our own (%s)", " ".join(str(error).split())[:80])
        return None
    return fused_norm


# --- weights in bfloat16 ----------------------------------------------------------------------------------------------


class _Cast(torch.autograd.Function):
    """Tensors in another arithmetic, all in one kernel; so are their gradients on the way back."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(*weights)  # for their shapes and layouts; they are there anyway
        return _copied(weights, weights, dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_copied(ctx.saved_tensors, gradients, torch.float32)


def _copied(like: Sequence[Tensor], values: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
    copies = [torch.empty_like(tensor, dtype=dtype) for tensor in like]
    torch._foreach_copy_(copies, list(values))
    return tuple(copies)


@contextmanager
def lent(network: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Within it, convolutions and linear layers compute with copies of their weights in `dtype`.

    As autocast does, which makes each copy by itself. Gradients reach the weights.
    """
    layers = [module for module in network.modules() if isinstance(module, Conv2d | Linear)]
    copies = _Cast.apply(dtype, *(layer.weight for layer in layers))
    for layer, copy in zip(layers, copies, strict=True):
        layer.lent = copy
    try:
        yield
    finally:
        for layer in layers:
            layer.lent = None
