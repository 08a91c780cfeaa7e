"""Many independent random generators from one seed.

Every draw has its own generator, identified by a purpose and a number such as the step. So initialization, order and
views do not influence each other, and all arms of one seed share them. A training that resumes at step k needs no saved
generator state, since the draws of a step depend on the seed and the step alone. The generators are NumPy's, whose
numbers do not depend on torch's version or the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

PURPOSES = ("initialization", "order", "views", "copies", "adapter")


def rng_for(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """The generator of a seed, a purpose (one of PURPOSES) and further numbers, such as the step (0 or more)."""
    return np.random.default_rng((seed, PURPOSES.index(purpose), *numbers))


@contextmanager
def initialization(seed: int, purpose: str = "initialization") -> Iterator[None]:
    """A context in which networks are initialized from the seed. torch's global generator is restored afterwards."""
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(int(rng_for(seed, purpose).integers(2**63)))
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
