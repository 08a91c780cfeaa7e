"""Exponential moving average (EMA) of weights; often better than the last weights (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distillery.training.optimizers.optimizer import copy_into


def decay_after(updates: int, decay: float) -> float:
    """The decay after n updates: min(decay, (1 + n) / (10 + n)), so that the initialization is soon forgotten."""
    return min(decay, (1 + updates) / (10 + updates))


class ModelEMA:
    """EMA of a network's weights and batch-norm statistics.

    Args:
        network: the one being trained. The averages start from its current values.
    """

    def __init__(self, network: nn.Module):
        self.values = [value for value in network.state_dict().values() if value.is_floating_point()]
        self.ema = [value.clone() for value in self.values]

    @torch.no_grad()
    def update(self, decay: float | Tensor) -> None:
        """Include the network's current values: ema ← decay · ema + (1 − decay) · value.

        Args:
            decay: 0 to 1, from `decay_after`; a tensor [] if a CUDA graph records the update.
        """
        for ema, value in zip(self.ema, self.values, strict=True):
            ema.lerp_(value, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the network has the averages; afterwards it has its own values again."""
        own = [value.clone() for value in self.values]
        copy_into(self.values, self.ema)
        try:
            yield
        finally:
            copy_into(self.values, own)

    def apply(self) -> None:
        """Replace the network's values by the averages."""
        copy_into(self.values, self.ema)

    def state(self) -> dict[str, list[Tensor]]:
        """What a checkpoint must keep: the averages."""
        return {"ema": self.ema}

    def restore(self, state: dict[str, list[Tensor]]) -> None:
        """Continue from a `state`."""
        copy_into(self.ema, state["ema"])
