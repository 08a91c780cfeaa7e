"""Adam, which the published recipe and the demonstration's diffusion model use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import adam as functional_adam

from distillery.training.optimizers.optimizer import copy_into, gradient_of, zero_grad


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
