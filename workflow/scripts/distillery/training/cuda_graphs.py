"""Training steps recorded as a CUDA graph.

A training step of a small network has hundreds of kernels of a few microseconds each. If Python launches them one by
one, the GPU waits most of the time. A recorded graph runs all of them at the cost of one launch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from distillery.training.data.batches import StepBlock


class CudaGraphRunner:
    """Runs a training step on a GPU: the first call runs eagerly, the second records a graph, later ones replay it.

    Besides its block, the step must read the same tensors every time. It must change tensors in place, and it must not
    read values back to the CPU.

    Args:
        step: takes the block of one step, whose numbers are a tensor on the GPU.
    """

    def __init__(self, step: Callable[[StepBlock], None]):
        self.step = step
        self.warm = False
        self.recorded: tuple[torch.cuda.CUDAGraph, StepBlock] | None = None  # the graph and the inputs it reads

    def __call__(self, block: StepBlock) -> None:
        if not self.warm:  # in the eager call cuDNN and cuBLAS choose their algorithms
            self._run(block)
            self.warm = True
            return
        if self.recorded is None:
            self.recorded = self._record(block)
        graph, inputs = self.recorded
        for target, value in zip(_tensors(inputs), _tensors(block), strict=True):
            target.copy_(value)
        graph.replay()

    def _run(self, block: StepBlock) -> None:
        # on a side stream like the recording, since autograd runs the backward pass on the forward pass's stream
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.step(block)
        torch.cuda.current_stream().wait_stream(stream)

    def _record(self, block: StepBlock) -> tuple[torch.cuda.CUDAGraph, StepBlock]:
        inputs, graph = StepBlock(*(value.clone() for value in _tensors(block))), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(inputs)
        return graph, inputs


def _tensors(block: StepBlock) -> tuple[Tensor, Tensor]:
    assert isinstance(block.numbers, Tensor)
    return block.integers, block.numbers


def step_runner(step: Callable[[StepBlock], None], device: torch.device) -> Callable[[StepBlock], None]:
    """On a GPU a `CudaGraphRunner` of the step, else the step itself."""
    return CudaGraphRunner(step) if device.type == "cuda" else step
