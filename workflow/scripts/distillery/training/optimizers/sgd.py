"""Stochastic gradient descent, and which weights it decays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import sgd as functional_sgd

from distillery.training.optimizers.optimizer import copy_into, gradient_of, weights_of, zero_grad


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


def sgd(network: nn.Module, momentum: float, weight_decay: float, without: Collection[int] = ()) -> SGD:
    """SGD that decays the weights of convolutions and linear layers, but no bias and no batch norm (He et al. 2019).

    Args:
        without: ids of weights to leave out.
    """
    decayed = [weight for weight in weights_of(network, nn.Conv2d, nn.Linear) if id(weight) not in without]
    known = {*map(id, decayed), *without}
    plain = [weight for weight in network.parameters() if id(weight) not in known]
    return SGD(decayed, plain, momentum, weight_decay)
