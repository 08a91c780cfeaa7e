"""The moving average of a network's weights, which is often better than the last ones (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distillery.learning.optimisation import copy_into


class Average:
    """Exponential moving average of a network's weights and batch-norm statistics.

    average ← d · average + (1 − d) · value, d = min(decay, (1 + n) / (10 + n)) after n updates, so that the random
    start is soon forgotten.

    Args:
        network: that is trained; its values now are the first average.
        decay: 0 to 1.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.values = [value for value in network.state_dict().values() if value.is_floating_point()]
        self.average = [value.clone() for value in self.values]

    @torch.no_grad()
    def update(self) -> None:
        """Take the network's values in."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.average, self.values, 1 - decay)
        self.updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the network has the averages; afterwards its own values."""
        own = [value.clone() for value in self.values]
        copy_into(self.values, self.average)
        try:
            yield
        finally:
            copy_into(self.values, own)

    def apply(self) -> None:
        """Give the network the averages for good."""
        copy_into(self.values, self.average)

    def state(self) -> dict[str, list[Tensor] | int]:
        """What the next update depends on besides the network."""
        return {"average": self.average, "updates": self.updates}

    def restore(self, state: dict[str, list[Tensor] | int]) -> None:
        """Go on from a `state`."""
        copy_into(self.average, state["average"])
        self.updates = state["updates"]
