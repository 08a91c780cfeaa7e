"""The layers of the networks here, which know what they learn on.

Batch norm, what is added to it and its activation are one thing here, for which there are kernels of our own: on a GPU,
where a step of a small network is a chain of some hundred kernels of a few microseconds each, two forward and two back
instead of a dozen (`fused_norm.py`); on a processor, which waits for memory, half of the reading and writing
(`native.py`). Where they cannot be compiled, torch's own operations do the same.

A GPU also gets all weights in bfloat16 at once (`lent`) instead of one by one.
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
from distillery.learning import native


class Conv2d(nn.Conv2d):
    """As torch's, without a bias: [B, in_channels, H, W] → [B, out_channels, h, w]."""

    lent: Tensor | None = None

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0):
        super().__init__(inputs, outputs, size, stride, padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight if self.lent is None else self.lent, self.bias)


class Linear(nn.Linear):
    """As torch's: [B, inputs] → [B, outputs]."""

    lent: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight if self.lent is None else self.lent, self.bias)


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
        if self.training and (kernels := kernels_for(x)):
            parts = (self.weight, self.bias, *statistics, self.momentum, self.eps)
            return kernels.norm_act(x, *parts, self.activation, residual)
        x = F.batch_norm(x, *statistics, self.weight, self.bias, self.training, self.momentum, self.eps)
        return ACTIVATIONS[self.activation](x if residual is None else x + residual)


class MaxPool2d(nn.MaxPool2d):
    """The greatest of each 2 x 2 places: [B, C, H, W] → [B, C, H // 2, W // 2]."""

    def __init__(self):
        super().__init__(2)

    def forward(self, x: Tensor) -> Tensor:
        return native.max_pool(x) if self.training and native.usable(x) else super().forward(x)


def _relu(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)


def _same(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": _same, "relu": _relu, "gelu": F.gelu}


def has_kernels(device: torch.device) -> bool:
    """Whether batch norm has kernels of our own there."""
    return (_fused() if device.type == "cuda" else native.library()) is not None


def kernels_for(x: Tensor) -> ModuleType | None:
    """The module whose norm_act takes these activations [B, C, H, W]; None for torch's own operations."""
    kernels = _fused() if x.is_cuda else native
    return kernels if kernels and kernels.usable(x) else None


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
