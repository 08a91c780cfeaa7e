"""What keeps a GPU busy with small networks: steps recorded once as a CUDA graph, and two things at a time.

A step of a small network is hundreds of kernels of a few microseconds. Launched one by one by Python they keep a GPU
waiting most of the time; recorded, it runs them on its own, at the cost of one launch. And few of them fill it, so that
what does not depend on each other runs side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from distillery.learning.feed import Step

T = TypeVar("T")

WARM_UP = 3  # steps run one kernel at a time, in which libraries choose their algorithms


class Recorded:
    """A function of a step, on a GPU: the first steps run as they are, the next is recorded, and then repeated.

    What the function reads besides the step, it must read from the same tensors every time, and what it changes, it
    must change in place; it may not look at any value on the CPU.
    """

    def __init__(self, function: Callable[[Step], None]):
        self.function, self.done = function, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.step: Step | None = None  # what the graph reads

    def __call__(self, step: Step) -> None:
        if self.graph is None and self.done == WARM_UP:
            self._record(step)
        self.done += 1
        if self.graph is None:
            self._run(step)
            return
        for here, value in zip(self.step, step, strict=True):
            here.copy_(value)
        self.graph.replay()

    def _run(self, step: Step) -> None:
        # on a stream of its own, as recording will: autograd remembers streams
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.function(step)
        torch.cuda.current_stream().wait_stream(stream)

    def _record(self, step: Step) -> None:
        self.step = Step(*(value.clone() for value in step))
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.function(self.step)


def repeated(function: Callable[[Step], None], device: torch.device) -> Callable[[Step], None]:
    """The function itself, or recorded where the device is a GPU."""
    return Recorded(function) if device.type == "cuda" else function


def aside(function: Callable[[], T], device: torch.device) -> Callable[[], T]:
    """Start a function, on a GPU beside what is started after it; the result waits for its value and gives it.

    The value may be used until the next call: that one starts only after all that was started before.
    """
    if device.type != "cuda":
        value = function()
        return lambda: value
    main, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(main)
    with torch.cuda.stream(side):
        value = function()

    def wait() -> T:
        main.wait_stream(side)
        return value

    return wait
