"""What the kernels of `native.c` gain on a processor: by themselves, and in a step of training.

    python benchmarks/native.py parts       batch norm with its activation, pooling, and activations alone
    python benchmarks/native.py steps       ms a step, in turns within one process

Parts meet memory that no cache holds, as in a step: each call takes the next of twenty tensors of 128 pictures in
bfloat16 (a residual is the same in all). A copy of the same tensor stands beside them: what reads once and writes once
takes as long at least.

On two cores of an Intel Xeon with AMX (PyTorch 2.15), torch's -> ours:

    batch norm and GELU, 24 channels of 31 x 31        forward 3.74 -> 1.22 ms, backward 10.92 -> 1.71; a copy 0.36
    batch norm and GELU, 32 of 15 x 15                 forward 0.88 -> 0.44, backward 1.40 -> 0.62; 0.09
    batch norm and ReLU, 64 of 32 x 32                 forward 6.05 -> 2.42, backward 9.28 -> 3.94; 0.99
    batch norm, residual and ReLU, 128 of 16 x 16      forward 4.24 -> 1.16, backward 4.39 -> 1.99; 0.49
    pooling, 32 of 31 x 31                             forward 1.32 -> 0.77, backward 2.48 -> 0.44; 0.48
    GELU alone, 24 of 31 x 31                          1.29 -> 0.77
    a step of convnet_m teaching convnet_s             67.5 -> 44.5 ms, 1.52x (1.50 to 1.57, 5 turns)
    a step of resnet18 teaching resnet8x4              411 -> 322, 1.27x (1.12 to 1.40)
    a step of convnet_l teaching resnet8               89.5 -> 66.5, 1.35x (1.32 to 1.39)
    a step of resnet8 teaching resnet8_half            68.1 -> 33.0, 2.05x (1.89 to 2.09)

Torch's batch norm computes 16 channels at a time and what is left over one by one, hence the first line. Prefetching
what is read halves GELU's backward pass. Tried and left: GELU by a polynomial instead of exp and a division (a tenth
less of the kernel, nothing of a step, four times the error), prefetching what is written (nothing).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

import numpy as np
import torch
from torch import Tensor
from training import Pair, ours

from distillery.learning import layers, native
from distillery.learning.devices import choose_device

PAIRS = (("convnet_m", "convnet_s"), ("resnet18", "resnet8x4"), ("convnet_l", "resnet8"), ("resnet8", "resnet8_half"))
STEPS_SECONDS, TURNS = 6, 5
# channels, pixels a side, activation, residual
NORMS = ((24, 31, "gelu", False), (32, 15, "gelu", False), (64, 32, "relu", False), (128, 16, "relu", True))
POOLS = ((32, 31), (128, 15))
TENSORS, CALLS = 20, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"parts": time_parts, "steps": time_steps}
    parser.add_argument("parts", nargs="+", choices=parts)
    options = parser.parse_args()
    if native.library() is None:
        sys.exit("no C compiler")
    choose_device()
    kind = torch.backends.cpu.get_cpu_capability()
    print(f"{torch.get_num_threads()} threads, {kind}, PyTorch {torch.__version__}", flush=True)
    for part in options.parts:
        parts[part]()


def with_torch(action: Callable[[], object]) -> Callable[[], object]:
    """The action without kernels of our own."""

    def act() -> object:
        own, native.library = native.library, lambda: None
        try:
            return action()
        finally:
            native.library = own

    return act


# --- parts ------------------------------------------------------------------------------------------------------------


def time_parts() -> None:
    """Print ms forward and backward, torch's and ours."""
    for channels, side, activation, added in NORMS:
        norm = layers.BatchNorm2d(channels, activation).train()
        residual = noise(channels, side)[0] if added else None
        report(
            f"norm, {activation}{' and residual' if added else ''}", channels, side, partial(norm, residual=residual)
        )
    for channels, side in POOLS:
        report("pool", channels, side, layers.MaxPool2d().train())
    for channels, side, activation, _ in NORMS[:3]:
        tensors = cycle(noise(channels, side))
        torchs = milliseconds(lambda: layers.ACTIVATIONS[activation](next(tensors)))  # noqa: B023
        owns = milliseconds(lambda: native.activate_(next(tensors), activation))  # noqa: B023
        print(f"  {activation} alone, {channels} x {side}²: {torchs:.2f} -> {owns:.2f} ms", flush=True)


def report(name: str, channels: int, side: int, layer: Callable[[Tensor], Tensor]) -> None:
    """Print a layer's two passes, and what a copy takes."""
    tensors = [tensor.requires_grad_() for tensor in noise(channels, side)]
    found = []
    for way in (with_torch, lambda action: action):
        following = cycle(tensors)
        found.append(milliseconds(way(lambda: layer(next(following)))))  # noqa: B023
        passes = cycle([(x, y, torch.randn_like(y)) for x in tensors for y in [way(lambda: layer(x))()]])  # noqa: B023
        found.append(milliseconds(lambda: backward(*next(passes))))  # noqa: B023
    copies, target = cycle(tensors), torch.empty_like(tensors[0])
    copy = milliseconds(lambda: target.copy_(next(copies).detach()))
    print(
        f"  {name}, {channels} x {side}²: forward {found[0]:.2f} -> {found[2]:.2f}, "
        f"backward {found[1]:.2f} -> {found[3]:.2f} ms; a copy {copy:.2f}",
        flush=True,
    )


def noise(channels: int, side: int) -> list[Tensor]:
    """bfloat16, channels last."""
    one = torch.randn(TENSORS, 128, channels, side, side).bfloat16()
    return [tensor.contiguous(memory_format=torch.channels_last) for tensor in one]


def backward(x: Tensor, y: Tensor, gradient: Tensor) -> None:
    torch.autograd.grad(y, x, gradient, retain_graph=True)


def milliseconds(action: Callable[[], object]) -> float:
    """Of a call, the median."""
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e3


# --- whole steps ------------------------------------------------------------------------------------------------------


def time_steps() -> None:
    """Print ms a step of each pair."""
    chance = np.random.default_rng(0)
    pixels, labels = chance.integers(0, 256, (8000, 32, 32, 3), np.uint8), chance.integers(0, 10, 8000)
    for teacher, student in PAIRS:
        run = ours(Pair(teacher, student, pixels, labels, torch.device("cpu")), 128)
        run(3)
        begun = time.perf_counter()
        run(5)
        steps = max(round(5 * STEPS_SECONDS / (time.perf_counter() - begun)), 5)
        ways = {"torch": with_torch(partial(run, steps)), "ours": partial(run, steps)}
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(TURNS):
            for name, way in ways.items():
                begun = time.perf_counter()
                way()
                found[name].append((time.perf_counter() - begun) / steps * 1e3)
        middle = {name: statistics.median(times) for name, times in found.items()}
        gains = [theirs / own for theirs, own in zip(found["torch"], found["ours"], strict=True)]
        print(
            f"  {teacher}, {student}: {middle['torch']:.1f} -> {middle['ours']:.1f} ms a step, "
            f"{statistics.median(gains):.2f}x ({min(gains):.2f}-{max(gains):.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
