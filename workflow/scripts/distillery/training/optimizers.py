"""Optimizers, and which weights decay.

They call the functional forms of torch.optim, because its classes import torch's compiler: 9 s for each of the hundreds
of jobs of a study. On a GPU these run torch's fused kernels, and the learning rate may be a tensor on the device.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import adam as functional_adam
from torch.optim import sgd as functional_sgd


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


class SGD:
    """Stochastic gradient descent with Nesterov momentum, as torch.optim.SGD (Sutskever et al. 2013).

    g ← gradient + decay · w;  b ← momentum · b + g;  w ← w − lr · (g + momentum · b).

    Args:
        decayed, plain: weights with and without L2 decay.
        momentum: 0 for none.
    """

    def __init__(
        self, decayed: Sequence[nn.Parameter], plain: Sequence[nn.Parameter], momentum: float, weight_decay: float
    ):
        self.decayed, self.weights = list(decayed), [*decayed, *plain]
        self.momentum, self.weight_decay = momentum, weight_decay
        # zeros, so that the first step needs no special case in a CUDA graph
        self.velocity = [torch.zeros_like(weight) for weight in self.weights] if momentum else []

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        split = len(self.decayed)
        for part, decay in ((slice(split), self.weight_decay), (slice(split, None), 0.0)):
            if weights := self.weights[part]:
                functional_sgd.sgd(
                    [*weights],
                    [gradient_of(weight) for weight in weights],
                    [*self.velocity[part]] or [None] * len(weights),
                    fused=weights[0].is_cuda,
                    weight_decay=decay,
                    momentum=self.momentum,
                    lr=lr,
                    dampening=0.0,
                    nesterov=self.momentum > 0,
                    maximize=False,
                )
        zero_grad(self.weights)

    def state(self) -> dict[str, Any]:
        return {"velocity": self.velocity}

    def restore(self, state: dict[str, Any]) -> None:
        copy_into(self.velocity, state["velocity"])


class Adam:
    """Adam as torch.optim.Adam with its defaults (Kingma and Ba 2015, algorithm 1; β 0.9 and 0.999, ε 1e-8)."""

    def __init__(self, weights: Iterable[nn.Parameter]):
        self.weights = list(weights)
        self.mean = [torch.zeros_like(weight) for weight in self.weights]
        self.square = [torch.zeros_like(weight) for weight in self.weights]
        self.steps = [torch.zeros((), device=weight.device) for weight in self.weights]

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        functional_adam.adam(
            [*self.weights],
            [gradient_of(weight) for weight in self.weights],
            self.mean,
            self.square,
            [],
            self.steps,
            fused=self.weights[0].is_cuda,
            lr=lr,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
        zero_grad(self.weights)

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        copy_into(self.mean, state["mean"])
        copy_into(self.square, state["square"])
        copy_into(self.steps, state["steps"])


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


def sgd(network: nn.Module, momentum: float, weight_decay: float, without: Collection[int] = ()) -> SGD:
    """SGD that decays the weights of convolutions and linear layers, but no bias and no batch norm (He et al. 2019).

    Args:
        without: ids of weights to leave out.
    """
    decayed = [weight for weight in weights_of(network, nn.Conv2d, nn.Linear) if id(weight) not in without]
    known = {*map(id, decayed), *without}
    plain = [weight for weight in network.parameters() if id(weight) not in known]
    return SGD(decayed, plain, momentum, weight_decay)


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
