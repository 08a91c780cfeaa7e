"""Optimisers, and which weights decay.

SGD and Adam are written out because making one of torch.optim's imports torch's compiler: 9 s a job, of which a study
starts hundreds. Tests hold them against torch.optim's. On a GPU both are torch's fused kernels: one pass over all
weights, with a learning rate that may lie on the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Optimiser(Protocol):
    """What changes weights along their gradients; the learning rate comes with each step."""

    def step(self, lr: float | Tensor) -> None:
        """Change the weights and forget their gradients.

        Args:
            lr: above 0; on a GPU also a float32 tensor [].
        """

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
    def step(self, lr: float | Tensor) -> None:
        if self.weights[0].is_cuda:
            self.step_fused(lr)
        else:
            self._step_plain(lr)
        forget_gradients(self.weights)

    def _step_plain(self, lr: float) -> None:
        gradients = [weight.grad for weight in self.weights]
        if self.weight_decay and self.decayed:
            torch._foreach_add_(gradients[: len(self.decayed)], self.decayed, alpha=self.weight_decay)
        if self.momentum:
            torch._foreach_mul_(self.velocity, self.momentum)
            torch._foreach_add_(self.velocity, gradients)
            torch._foreach_add_(gradients, self.velocity, alpha=self.momentum)
        torch._foreach_add_(self.weights, gradients, alpha=-lr)

    @torch.no_grad()
    def step_fused(self, lr: float | Tensor) -> None:
        """The same change in one kernel; the gradients stay."""
        split = len(self.decayed)
        for part, decay in ((slice(split), self.weight_decay), (slice(split, None), 0.0)):
            if weights := self.weights[part]:
                torch._fused_sgd_(
                    weights,
                    [weight.grad for weight in weights],
                    self.velocity[part],
                    weight_decay=decay,
                    momentum=self.momentum,
                    lr=lr,
                    dampening=0.0,
                    nesterov=self.momentum > 0,
                    maximize=False,
                    is_first_step=False,  # the velocity starts at 0 instead
                )

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
        self.steps = torch.zeros((), device=self.weights[0].device)

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        self.steps += 1
        if self.weights[0].is_cuda:
            self._step_fused(lr)
        else:
            self._step_plain(lr)
        forget_gradients(self.weights)

    def _step_plain(self, lr: float) -> None:
        gradients, steps = [weight.grad for weight in self.weights], self.steps.item()
        torch._foreach_lerp_(self.mean, gradients, 1 - self.FIRST)
        torch._foreach_mul_(self.square, self.SECOND)
        torch._foreach_addcmul_(self.square, gradients, gradients, 1 - self.SECOND)
        scale = torch._foreach_sqrt(self.square)
        torch._foreach_div_(scale, sqrt(1 - self.SECOND**steps))
        torch._foreach_add_(scale, self.EPSILON)
        torch._foreach_addcdiv_(self.weights, self.mean, scale, -lr / (1 - self.FIRST**steps))

    def _step_fused(self, lr: float | Tensor) -> None:
        torch._fused_adam_(
            self.weights,
            [weight.grad for weight in self.weights],
            self.mean,
            self.square,
            [],
            [self.steps] * len(self.weights),
            lr=lr,
            beta1=self.FIRST,
            beta2=self.SECOND,
            weight_decay=0.0,
            eps=self.EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        copy_into(self.mean, state["mean"])
        copy_into(self.square, state["square"])
        self.steps.copy_(state["steps"])


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
