"""Measure the time of training steps on a GPU: whole steps, their kernels, and single parts of a step.

    python benchmarks/kernels.py steps      ms per step of each pair
    python benchmarks/kernels.py profile    the kernels of a step, the longest first
    python benchmarks/kernels.py stems      first convolutions, of 3 channels or of 4, 8 and 16 with zeros added

The time of a single part is measured with a CUDA graph that only repeats this part; the fastest of five replays counts.
The steps are those of `benchmarks/training.py`.

On one NVIDIA H200 (PyTorch 2.11), ms per step of 128 images (in brackets, of 64):

    teacher     student
    resnet18    resnet8x4   2.15 (1.48)
    convnet_m   convnet_s   1.13 (0.87)
    convnet_l   resnet8     1.44 (1.03)

`stems` has not been run on a GPU yet.
"""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from training import clock
from training_loops import Pair, library_loop

PAIRS = (("resnet18", "resnet8x4"), ("convnet_m", "convnet_s"), ("convnet_l", "resnet8"))
BATCHES = (128, 64)
STEPS = 400
# kernel size, padding, output channels and images of first convolutions: of resnet8x4, of resnet18 with two batches at
# once, and of the convnets
STEMS = ((3, 1, 32, 128), (3, 1, 64, 256), (2, 0, 24, 128), (2, 0, 24, 256), (2, 0, 32, 128))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"steps": time_steps, "profile": profile_step, "stems": time_stems}
    parser.add_argument("parts", nargs="+", choices=parts)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no GPU")
    print(f"on {torch.cuda.get_device_name()}, PyTorch {torch.__version__}", flush=True)
    for part in options.parts:
        parts[part]()


# --- whole steps ------------------------------------------------------------------------------------------------------


def pair_of(teacher: str, student: str) -> Pair:
    """A teacher and a student, with 8,000 images of noise."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8000, 32, 32, 3), np.uint8)
    return Pair(teacher, student, pixels, rng.integers(0, 10, 8000), torch.device("cuda"))


def time_steps() -> None:
    """Print ms per step of each pair and batch size."""
    for teacher, student in PAIRS:
        for batch in BATCHES:
            run = library_loop(pair_of(teacher, student), batch)
            run(60)
            once = clock(lambda run=run: run(STEPS), torch.device("cuda"))
            more = clock(lambda run=run: run(3 * STEPS), torch.device("cuda"))
            print(f"  {teacher}, {student}, batch {batch}: {(more - once) / (2 * STEPS) * 1e3:.3f}", flush=True)


def profile_step() -> None:
    """Print the microseconds and number of calls per step of each kernel."""
    from torch.profiler import ProfilerActivity, profile

    for teacher, student in PAIRS[:2]:
        run = library_loop(pair_of(teacher, student), BATCHES[0])
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
        print(f"  {teacher}, {student}: {kernels:.0f} kernels, {microseconds:.0f} us per step", flush=True)
        for name, spent in total.most_common(40):
            print(f"    {spent / STEPS:7.1f} us {number[name] / STEPS:6.2f} {name[:120]}")


# --- parts ------------------------------------------------------------------------------------------------------------


def microseconds(action: Callable[[], object], repeats: int = 20) -> float:
    """Microseconds per call of an action, repeated in a CUDA graph."""
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
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    graph.replay()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def noise(*shape: int) -> torch.Tensor:
    """Random bfloat16 values, channels last."""
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16).to(memory_format=torch.channels_last)


def time_stems() -> None:
    """Print times of first convolutions: forward, backward, and with bias and ReLU in one or two kernels."""
    for stem in STEMS:
        found = [f"{channels} channels {_stem(channels, *stem)}" for channels in (3, 4, 8, 16)]
        size, _, outputs, images = stem
        print(f"  {size}x{size}, {outputs} channels, {images} images: {' | '.join(found)}", flush=True)
    print("  (each in microseconds: forward, backward, forward with bias and ReLU in one kernel, and in two)")


def _stem(channels: int, size: int, border: int, outputs: int, images: int) -> str:
    x, weight = noise(images, channels, 32, 32), noise(outputs, channels, size, size)
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


if __name__ == "__main__":
    main()
