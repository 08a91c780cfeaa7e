"""Training steps recorded as a CUDA graph.

A step of a small network is hundreds of kernels of a few microseconds. Launched one by one by Python they keep a GPU
waiting most of the time; recorded, it runs them on its own, at the cost of one launch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from distillery.training.batches import StepBlock


class CudaGraphRunner:
    """A training step on a GPU: the first runs as it is, the second is recorded, and then repeated.

    What the step reads besides its block, it must read from the same tensors every time, and what it changes, it must
    change in place; it may not look at any value on the CPU.

    Args:
        step: takes the block of one step, its numbers a tensor of the device.
    """

    def __init__(self, step: Callable[[StepBlock], None]):
        self.step = step
        self.warm = False
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: StepBlock | None = None  # what the graph reads

    def __call__(self, block: StepBlock) -> None:
        if not self.warm:  # libraries choose their algorithms
            self._run(block)
            self.warm = True
            return
        if self.graph is None:
            self._record(block)
        for target, value in zip(self.inputs, block, strict=True):
            target.copy_(value)
        self.graph.replay()

    def _run(self, block: StepBlock) -> None:
        # on a stream of its own, as recording will: autograd remembers streams
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.step(block)
        torch.cuda.current_stream().wait_stream(stream)

    def _record(self, block: StepBlock) -> None:
        self.inputs, self.graph = StepBlock(*(value.clone() for value in block)), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step(self.inputs)


def step_runner(step: Callable[[StepBlock], None], device: torch.device) -> Callable[[StepBlock], None]:
    """The step itself, or recorded where the device is a GPU."""
    return CudaGraphRunner(step) if device.type == "cuda" else step
