"""Muon: orthogonalized updates, equally large in every direction of a convolution's weights (Jordan et al. 2024)."""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from distillery.training.hardware import has_bfloat16
from distillery.training.optimizers.optimizer import copy_into, gradient_of, weights_of, zero_grad
from distillery.training.optimizers.sgd import SGD

ITERATIONS = 3  # of Newton-Schulz, as in airbench
A, B, C = 3.4445, -4.7750, 2.0315  # coefficients of the quintic, by Jordan: fast rather than exact


class Muon:
    """Muon for convolutions, SGD for all other weights, as airbench94_muon (Jordan 2024).

    A convolution's weights are a matrix M with one row for each output channel. A step is b ← momentum · b + gradient;
    M ← √rows · M / ‖M‖; M ← M − lr · orthogonalize(gradient + momentum · b). Batch norm follows every convolution here,
    so the norm of M has no effect and only its direction is trained. Weight decay applies to the linear layer alone.

    Args:
        network: the network to train.
        momentum: 0 for none.
        weight_decay: L2, of the linear layer.
    """

    def __init__(self, network: nn.Module, momentum: float, weight_decay: float):
        self.filters = weights_of(network, nn.Conv2d)
        linear = weights_of(network, nn.Linear)
        taken = {id(weight) for weight in (*self.filters, *linear)}
        plain = [weight for weight in network.parameters() if id(weight) not in taken]
        self.others = SGD(linear, plain, momentum, weight_decay)
        self.momentum = momentum
        self.velocity = [torch.zeros_like(weight) for weight in self.filters]

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        for weight, velocity in zip(self.filters, self.velocity, strict=True):
            gradient = gradient_of(weight)
            velocity.mul_(self.momentum).add_(gradient)
            update = (gradient + self.momentum * velocity).flatten(1)
            weight.mul_(sqrt(len(weight)) / weight.norm())
            weight.sub_(lr * orthogonalize(update).view_as(weight).to(weight.dtype))
        zero_grad(self.filters)
        self.others.step(lr)

    def state(self) -> dict[str, Any]:
        return {"velocity": self.velocity, "others": self.others.state()}

    def restore(self, state: dict[str, Any]) -> None:
        copy_into(self.velocity, state["velocity"])
        self.others.restore(state["others"])


def orthogonalize(matrix: Tensor) -> Tensor:
    """Approximately U Vᵀ of a matrix U S Vᵀ [R, K]: its singular values become about 1. In bfloat16 where it is faster.

    The matrix is divided by its norm; each iteration is then X ← A X + (B XXᵀ + C (XXᵀ)²) X.
    """
    x = matrix.to(torch.bfloat16) if has_bfloat16(matrix.device) else matrix
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x.T if tall else x
