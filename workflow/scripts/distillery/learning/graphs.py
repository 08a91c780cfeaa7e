"""What keeps a GPU busy with small networks: steps recorded as a CUDA graph, and two things at a time.

A step of a small network is hundreds of kernels of a few microseconds. Launched one by one by Python they keep a GPU
waiting most of the time; recorded, it runs them on its own, at the cost of one launch. Few of them fill it, so that
what does not depend on each other runs side by side. And what does not depend on the weights that are learnt is done
for several steps at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from distillery.learning.feed import Block

T = TypeVar("T")

STEPS = 10  # recorded as one
ASKED = 5  # steps whose views a teacher is asked for at once; the first of them wait for it
NUMBERS = 1 << 25  # of a block's views, at most: 128 MiB


class Recorded:
    """A function of blocks, on a GPU: the first of each length runs as it is, the next is recorded, and then repeated.

    What the function reads besides the block, it must read from the same tensors every time, and what it changes, it
    must change in place; it may not look at any value on the CPU.
    """

    def __init__(self, function: Callable[[Block], None]):
        self.function = function
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Block] | None] = {}  # by length, with what they read

    def __call__(self, block: Block) -> None:
        length = len(block.numbers)
        if length not in self.graphs:  # one kernel at a time; libraries choose their algorithms, kernels are compiled
            self.graphs[length] = None
            self._run(block)
            return
        graph, here = self.graphs[length] = self.graphs[length] or self._record(block)
        for target, value in zip(here, block, strict=True):
            target.copy_(value)
        graph.replay()

    def _run(self, block: Block) -> None:
        # on a stream of its own, as recording will: autograd remembers streams
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.function(block)
        torch.cuda.current_stream().wait_stream(stream)

    def _record(self, block: Block) -> tuple[torch.cuda.CUDAGraph, Block]:
        here, graph = Block(*(value.clone() for value in block)), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.function(here)
        return graph, here


def repeated(function: Callable[[Block], None], device: torch.device) -> Callable[[Block], None]:
    """The function itself, or recorded where the device is a GPU."""
    return Recorded(function) if device.type == "cuda" else function


def block_length(views: int, device: torch.device) -> int:
    """Steps of a block: on a GPU so many that it is kept busy and their views do not take its memory.

    Args:
        views: numbers of one step's views.
    """
    return min(STEPS, max(1, NUMBERS // views)) if device.type == "cuda" else 1


def split_steps(first: int, ends: Sequence[int], length: int) -> list[range]:
    """Steps from `first` on as blocks of at most `length`, of which one ends at each of `ends`, sorted."""
    blocks, start = [], first
    for end in ends:
        while start < end:
            blocks.append(range(start, min(start + length, end)))
            start = blocks[-1].stop
    return blocks


def aside(functions: Sequence[Callable[[], T]], device: torch.device) -> list[Callable[[], T]]:
    """Start functions one after another, on a GPU beside what is started after them; the results wait for their values.

    The values may be used until the next call: that one starts only after all that was started before. All of them
    must be waited for.
    """
    if device.type != "cuda":
        return [lambda value=value: value for value in [function() for function in functions]]
    main, side, found = torch.cuda.current_stream(), torch.cuda.Stream(), []
    side.wait_stream(main)
    with torch.cuda.stream(side):
        for function in functions:
            value, done = function(), torch.cuda.Event()
            done.record(side)
            found.append((value, done))

    def wait(value: T, done: torch.cuda.Event) -> T:
        main.wait_event(done)
        return value

    return [lambda found=each: wait(*found) for each in found]
