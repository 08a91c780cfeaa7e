"""Where a step's time goes on a GPU: the parts of a step by themselves, and whole steps by how they are recorded.

    python benchmarks/kernels.py steps      ms a step by steps a graph and steps a teacher is asked for at once
    python benchmarks/kernels.py profile    the kernels of a step, the longest first
    python benchmarks/kernels.py stems      convolutions of 3 channels, and padded with zeros to 4, 8 and 16
    python benchmarks/kernels.py norms      batch norm's kernels by how they are launched, against torch's own

Microseconds of a part are of a graph that repeats it alone, the best of five replays. Steps are those of
`benchmarks/training.py`.

On one NVIDIA H200 (PyTorch 2.11), ms a step of 128 pictures (of 64), by steps a graph / asked at once; with torch's
batch norm first:

    teacher     student     1/1           10/1          10/2          10/5          10/10         20/4
                            torch's norm  torch's norm  ours          ours          ours          ours
    resnet18    resnet8x4   2.15 (1.48)   2.01 (1.30)   1.72 (1.08)   1.71 (1.09)   1.63 (1.11)   1.74
    convnet_m   convnet_s   1.13 (0.87)   1.01 (0.71)   0.89 (0.64)   0.87 (0.61)   0.86 (0.65)   0.83
    convnet_l   resnet8     1.44 (1.03)   1.30 (0.84)   1.09 (0.71)   1.18 (0.69)   1.13 (0.71)   1.18

`stems` and `norms` have not been run on a GPU yet.
"""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

import numpy as np
import torch
import torch.nn.functional as F
from training import Pair, clock, ours

from distillery.learning import graphs, layers, training

PAIRS = (("resnet18", "resnet8x4"), ("convnet_m", "convnet_s"), ("convnet_l", "resnet8"))
BATCHES = (128, 64)
RECORDED = (
    (1, 1, False),
    (10, 1, False),
    (10, 2, True),
    (10, 5, True),
    (10, 10, True),
    (20, 4, True),
)  # steps, asked, our norms
STEPS = 400
# size, padding, channels, pictures: of resnet8x4, a resnet18 asked for two steps, and the convnets
STEMS = ((3, 1, 32, 128), (3, 1, 64, 256), (2, 0, 24, 128), (2, 0, 24, 256), (2, 0, 32, 128))
# activations' rows and channels
NORMS = ((131072, 64, "relu"), (8192, 256, "relu"), (123008, 24, "gelu"), (28800, 32, "gelu"))
# WIDTH, SUMMED, SUMMED_BACKWARD, MAPPED, OVERSUBSCRIBED of fused_norm, and programs a multiprocessor that sum
LAUNCHES = (
    (32, 16384, 8192, 4096, 4, 1),  # as it is
    (32, 8192, 4096, 4096, 8, 2),
    (32, 4096, 4096, 2048, 16, 4),
    (64, 16384, 8192, 4096, 8, 1),
    (64, 8192, 4096, 4096, 8, 2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"steps": time_steps, "profile": profile_step, "stems": time_stems, "norms": time_norms}
    parser.add_argument("parts", nargs="+", choices=parts)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no GPU")
    print(f"on {torch.cuda.get_device_name()}, PyTorch {torch.__version__}", flush=True)
    for part in options.parts:
        parts[part]()


# --- whole steps ------------------------------------------------------------------------------------------------------


def pair_of(teacher: str, student: str) -> Pair:
    """The pair, and 8,000 pictures of noise."""
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (8000, 32, 32, 3), np.uint8)
    return Pair(teacher, student, pixels, chance.integers(0, 10, 8000), torch.device("cuda"))


def time_steps() -> None:
    """Print ms a step of each pair, batch and way of recording."""
    fused = layers._fused
    for teacher, student in PAIRS:
        for batch in BATCHES:
            found = []
            for steps, asked, own in RECORDED:
                graphs.STEPS, training.ASKED, layers._fused = steps, asked, fused if own else lambda: None
                run = ours(pair_of(teacher, student), batch)
                run(60)
                once = clock(lambda run=run: run(STEPS), torch.device("cuda"))
                more = clock(lambda run=run: run(3 * STEPS), torch.device("cuda"))
                found.append(f"{steps}/{asked}{'' if own else ' torch'} {(more - once) / (2 * STEPS) * 1e3:.3f}")
            print(f"  {teacher}, {student}, batch {batch}: {' | '.join(found)}", flush=True)


def profile_step() -> None:
    """Print each kernel's microseconds and number a step."""
    from torch.profiler import ProfilerActivity, profile

    for teacher, student in PAIRS[:2]:
        run = ours(pair_of(teacher, student), BATCHES[0])
        run(60)
        with profile(activities=[ProfilerActivity.CUDA]) as found:
            run(STEPS)
            torch.cuda.synchronize()
        number, total = collections.Counter(), collections.Counter()
        for event in found.events():
            if event.device_type == torch.autograd.DeviceType.CUDA:
                number[event.name] += 1
                total[event.name] += event.device_time
        kernels, microseconds = sum(number.values()) / STEPS, sum(total.values()) / STEPS
        print(f"  {teacher}, {student}: {kernels:.0f} kernels, {microseconds:.0f} us a step", flush=True)
        for name, spent in total.most_common(40):
            print(f"    {spent / STEPS:7.1f} us {number[name] / STEPS:6.2f} {name[:120]}")


# --- parts ------------------------------------------------------------------------------------------------------------


def microseconds(action: Callable[[], object], repeats: int = 20) -> float:
    """Of an action, repeated in a graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            action()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(repeats):
            action()
    return min(_replayed(graph) for _ in range(5)) / repeats * 1e3


def _replayed(graph: torch.cuda.CUDAGraph) -> float:
    begun, done = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begun.record()
    graph.replay()
    done.record()
    torch.cuda.synchronize()
    return begun.elapsed_time(done)


def noise(*shape: int) -> torch.Tensor:
    """bfloat16, channels last."""
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16).to(memory_format=torch.channels_last)


def time_stems() -> None:
    """Print the forward and the weights' backward pass of a stem, and with bias and ReLU in one kernel or two."""
    for stem in STEMS:
        found = [f"{channels} channels {_stem(channels, *stem)}" for channels in (3, 4, 8, 16)]
        size, _, outputs, pictures = stem
        print(f"  {size}x{size}, {outputs} channels, {pictures} pictures: {' | '.join(found)}", flush=True)
    print("  (us forward, backward, with bias and ReLU in one kernel, in two)")


def _stem(channels: int, size: int, border: int, outputs: int, pictures: int) -> str:
    x, weight = noise(pictures, channels, 32, 32), noise(outputs, channels, size, size)
    bias, window = torch.randn(outputs, device="cuda", dtype=torch.bfloat16), ((1, 1), (border, border), (1, 1))
    gradient = torch.randn_like(F.conv2d(x, weight, None, *window))
    backward = (None, *window, False, (0, 0), 1, (False, True, False))
    ways: tuple[Callable[[], object], ...] = (
        lambda: F.conv2d(x, weight, None, *window),
        lambda: torch.ops.aten.convolution_backward(gradient, x, weight, *backward),
        lambda: torch.cudnn_convolution_relu(x, weight, bias, *window, 1),
        lambda: F.relu(F.conv2d(x, weight, bias, *window), inplace=True),
    )
    return " ".join(f"{microseconds(way):.0f}" for way in ways)


def time_norms() -> None:
    """Print batch norm's forward and backward pass, by how its kernels are launched."""
    from distillery.learning import fused_norm

    fused, launch = layers._fused, fused_norm._launch
    layers._fused = lambda: None
    print("  torch's: " + " | ".join(_norm(*norm) for norm in NORMS), flush=True)
    layers._fused = fused
    names = ("WIDTH", "SUMMED", "SUMMED_BACKWARD", "MAPPED", "OVERSUBSCRIBED")
    for *sizes, summing in LAUNCHES:
        for name, value in zip(names, sizes, strict=True):
            setattr(fused_norm, name, value)
        fused_norm._launch = lambda rows, channels, largest, programs, summing=summing: launch(
            rows, channels, largest, summing if programs == 1 else programs
        )
        print(f"  {(*sizes, summing)}: " + " | ".join(_norm(*norm) for norm in NORMS), flush=True)


def _norm(rows: int, channels: int, activation: str) -> str:
    x = noise(128, channels, rows // 128, 1).requires_grad_()
    norm = layers.BatchNorm2d(channels, activation).cuda().train()
    gradient = torch.randn_like(norm(x))

    def forward() -> None:
        with torch.no_grad():
            norm(x)

    both = microseconds(lambda: torch.autograd.grad(norm(x), [x, *norm.parameters()], gradient), 10)
    ahead = microseconds(forward, 10)
    return f"{rows} x {channels} {ahead:.0f} + {both - ahead:.0f}"


if __name__ == "__main__":
    main()
