"""What all optimizers share: their interface, and functions on weights and gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from torch import Tensor, nn


class Optimizer(Protocol):
    """Updates weights from their gradients. The learning rate is an argument of each step."""

    def step(self, lr: float | Tensor) -> None:
        """Update the weights, then set their gradients to None.

        Args:
            lr: above 0; on a GPU it may be a float32 tensor [].
        """

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep besides the weights: tensors and numbers."""

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state`."""


class ScaledRates:
    """Several optimizers for different weights, whose learning rates keep fixed ratios.

    Args:
        parts: optimizers, each with the factor of its learning rate.
    """

    def __init__(self, parts: Sequence[tuple[Optimizer, float]]):
        self.parts = list(parts)

    def step(self, lr: float | Tensor) -> None:
        for optimizer, factor in self.parts:
            optimizer.step(lr * factor)

    def state(self) -> dict[str, Any]:
        return {"parts": [optimizer.state() for optimizer, _ in self.parts]}

    def restore(self, state: dict[str, Any]) -> None:
        for (optimizer, _), own in zip(self.parts, state["parts"], strict=True):
            optimizer.restore(own)


def weights_of(network: nn.Module, *kinds: type[nn.Conv2d] | type[nn.Linear]) -> list[nn.Parameter]:
    """The weights, without biases, of all layers of some kinds."""
    return [cast(nn.Parameter, module.weight) for module in network.modules() if isinstance(module, kinds)]


def gradient_of(weight: nn.Parameter) -> Tensor:
    """A weight's gradient, which the backward pass must have set."""
    assert weight.grad is not None
    return weight.grad


def zero_grad(weights: Iterable[nn.Parameter]) -> None:
    """Set the gradients to None, so that the next backward pass does not add to them."""
    for weight in weights:
        weight.grad = None


def copy_into(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy tensors, in place, into others of the same shapes."""
    for tensor, value in zip(targets, values, strict=True):
        tensor.copy_(value)
