"""Optimisers, and which weights decay.

SGD and Adam are written out because making one of torch.optim's imports torch's compiler: 9 s a job, of which a study
starts hundreds. Tests hold them against torch.optim's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Optimiser(Protocol):
    """What changes weights along their gradients; the learning rate comes with each step."""

    def step(self, lr: float) -> None:
        """Change the weights and forget their gradients."""

    def state(self) -> dict[str, Any]:
        """What the next step depends on besides the weights: tensors and numbers."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""


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
        self.velocity = [torch.zeros_like(weight) for weight in self.weights] if momentum else []

    @torch.no_grad()
    def step(self, lr: float) -> None:
        gradients = [weight.grad for weight in self.weights]
        if self.weight_decay and self.decayed:
            torch._foreach_add_(gradients[: len(self.decayed)], self.decayed, alpha=self.weight_decay)
        if self.momentum:
            torch._foreach_mul_(self.velocity, self.momentum)
            torch._foreach_add_(self.velocity, gradients)
            torch._foreach_add_(gradients, self.velocity, alpha=self.momentum)
        torch._foreach_add_(self.weights, gradients, alpha=-lr)
        forget_gradients(self.weights)

    def state(self) -> dict[str, Any]:
        return {"velocity": self.velocity}

    def restore(self, state: dict[str, Any]) -> None:
        copy_into(self.velocity, state["velocity"])


class Adam:
    """Adam as torch.optim.Adam with its defaults (Kingma and Ba 2015, algorithm 1; β 0.9 and 0.999, ε 1e-8)."""

    FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, weights: Iterable[nn.Parameter]):
        self.weights = list(weights)
        self.mean = [torch.zeros_like(weight) for weight in self.weights]
        self.square = [torch.zeros_like(weight) for weight in self.weights]
        self.steps = 0

    @torch.no_grad()
    def step(self, lr: float) -> None:
        gradients = [weight.grad for weight in self.weights]
        self.steps += 1
        torch._foreach_lerp_(self.mean, gradients, 1 - self.FIRST)
        torch._foreach_mul_(self.square, self.SECOND)
        torch._foreach_addcmul_(self.square, gradients, gradients, 1 - self.SECOND)
        scale = torch._foreach_sqrt(self.square)
        torch._foreach_div_(scale, sqrt(1 - self.SECOND**self.steps))
        torch._foreach_add_(scale, self.EPSILON)
        torch._foreach_addcdiv_(self.weights, self.mean, scale, -lr / (1 - self.FIRST**self.steps))
        forget_gradients(self.weights)

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        copy_into(self.mean, state["mean"])
        copy_into(self.square, state["square"])
        self.steps = state["steps"]


def sgd(network: nn.Module, momentum: float, weight_decay: float) -> SGD:
    """SGD that decays the weights of convolutions and linear layers, but no bias and no batch norm (He et al. 2019)."""
    decayed = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    known = set(map(id, decayed))
    plain = [weight for weight in network.parameters() if id(weight) not in known]
    return SGD(decayed, plain, momentum, weight_decay)


def forget_gradients(weights: Iterable[nn.Parameter]) -> None:
    """As zero_grad: the next backward pass starts from nothing."""
    for weight in weights:
        weight.grad = None


def copy_into(here: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Fill tensors from others of the same shapes."""
    for tensor, value in zip(here, values, strict=True):
        tensor.copy_(value)
