"""Muon: steps of the same size in every direction of a convolution's weights (Jordan et al. 2024)."""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from distillery.training.hardware import has_bfloat16
from distillery.training.optimizers import SGD, copy_into, zero_grad

ITERATIONS = 3  # of Newton and Schulz; airbench's number
A, B, C = 3.4445, -4.7750, 2.0315  # of the quintic, Jordan's: fast rather than exact


class Muon:
    """Muon for convolutions, stochastic gradient descent for all else, as airbench94_muon (Jordan 2024).

    A convolution's weights are a matrix M, one row an output channel. b ← momentum · b + gradient;
    M ← √rows · M / ‖M‖; M ← M − lr · orthogonal(gradient + momentum · b). Batch norm follows every convolution here, so
    that the size of M says nothing and only its direction is trained; weight decay acts on the linear layer alone.

    Args:
        network: whose weights are changed.
    """

    def __init__(self, network: nn.Module, momentum: float, weight_decay: float):
        self.filters = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]
        linear = [module.weight for module in network.modules() if isinstance(module, nn.Linear)]
        taken = {id(weight) for weight in (*self.filters, *linear)}
        plain = [weight for weight in network.parameters() if id(weight) not in taken]
        self.others = SGD(linear, plain, momentum, weight_decay)
        self.momentum = momentum
        self.velocity = [torch.zeros_like(weight) for weight in self.filters]

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        for weight, velocity in zip(self.filters, self.velocity, strict=True):
            velocity.mul_(self.momentum).add_(weight.grad)
            update = (weight.grad + self.momentum * velocity).flatten(1)
            weight.mul_(sqrt(len(weight)) / weight.norm())
            weight.sub_(lr * orthogonal(update).view_as(weight).to(weight.dtype))
        zero_grad(self.filters)
        self.others.step(lr)

    def state(self) -> dict[str, Any]:
        return {"velocity": self.velocity, "others": self.others.state()}

    def restore(self, state: dict[str, Any]) -> None:
        copy_into(self.velocity, state["velocity"])
        self.others.restore(state["others"])


def orthogonal(matrix: Tensor) -> Tensor:
    """Roughly U Vᵀ of a matrix U S Vᵀ [R, K]: its singular values brought near 1, in bfloat16 where that is faster.

    Each iteration X ← A X + (B XXᵀ + C (XXᵀ)²) X, after the matrix is divided by its norm.
    """
    x = matrix.to(torch.bfloat16) if has_bfloat16(matrix.device) else matrix
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x.T if tall else x
