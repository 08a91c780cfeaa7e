"""The moving ema of a network's weights, which is often better than the last ones (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distillery.training.optimizers import copy_into


def decay_after(updates: int, decay: float) -> float:
    """The ema's decay after so many updates: min(decay, (1 + n) / (10 + n)); the random start is soon forgotten."""
    return min(decay, (1 + updates) / (10 + updates))


class ModelEMA:
    """Exponential moving ema of a network's weights and batch-norm statistics.

    Args:
        network: that is trained; its values now are the first ema.
    """

    def __init__(self, network: nn.Module):
        self.values = [value for value in network.state_dict().values() if value.is_floating_point()]
        self.ema = [value.clone() for value in self.values]

    @torch.no_grad()
    def update(self, decay: float | Tensor) -> None:
        """Take the network's values in: ema ← decay · ema + (1 − decay) · value.

        Args:
            decay: 0 to 1, of `decay_after`; a tensor [] where the update is recorded once and repeated.
        """
        for ema, value in zip(self.ema, self.values, strict=True):
            ema.lerp_(value, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the network has the averages; afterwards its own values."""
        own = [value.clone() for value in self.values]
        copy_into(self.values, self.ema)
        try:
            yield
        finally:
            copy_into(self.values, own)

    def apply(self) -> None:
        """Give the network the averages for good."""
        copy_into(self.values, self.ema)

    def state(self) -> dict[str, list[Tensor]]:
        """What the next update depends on besides the network."""
        return {"ema": self.ema}

    def restore(self, state: dict[str, list[Tensor]]) -> None:
        """Go on from a `state`."""
        copy_into(self.ema, state["ema"])
