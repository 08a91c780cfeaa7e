"""One seed, many independent streams of random numbers.

Each draw has a stream of its own, named by its purpose and a number such as the step. So initialization, order and
views never disturb each other, every arm of one seed sees the same of each, and a training that goes on at step k
needs no generator's state: the draws of a step are a function of the seed and the step. NumPy's numbers, which do not
depend on torch's version or on the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

PURPOSES = ("initialization", "order", "views", "copies")


def rng_for(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """The random numbers of one purpose (of PURPOSES) and place (at least 0, such as a step)."""
    return np.random.default_rng((seed, PURPOSES.index(purpose), *numbers))


@contextmanager
def initialization(seed: int) -> Iterator[None]:
    """Within it, networks are initialized from the seed; torch's own generator is afterwards as it was."""
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(int(rng_for(seed, "initialization").integers(2**63)))
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
