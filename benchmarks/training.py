"""Measure the time per step of distilling a student: the library's loop against loops that a user would start from.

    python benchmarks/training.py                                            resnet18 as teacher of resnet8x4
    python benchmarks/training.py --teacher convnet_l --student resnet8      networks for two CPU cores
    python benchmarks/training.py --repdistiller FOLDER --mdistiller FOLDER  also loops of other projects
    python benchmarks/training.py --avx2                                     as on a CPU without AVX-512 and bfloat16
    python benchmarks/training.py --concurrent 8                             several trainings at once on one GPU

Two loops are measured alternately in one process, with the same networks and first weights, batch, image size and
number of steps.

* tutorial: PyTorch's knowledge-distillation tutorial: a DataLoader of torchvision's CIFAR10 with ToTensor and Normalize
  in two workers, float32, Adam, the loss read after every step; batches of 128.
* RepDistiller (github.com/HobbitLong/RepDistiller) and mdistiller (github.com/megvii-research/mdistiller): the code in
  their checkouts (`peer_loops.py`), with the same loss, learning rate and momentum as the library; batches of 64. The
  mean losses of the first steps are printed: they must agree, except for the order and the views of the images.

The images are noise with a faint pattern of their class, as many as the train images of CIFAR-10. Their contents do not
affect the time.

Consecutive steps are measured, with everything that recurs during a training: at a new epoch the other loops restart
their workers and the library draws an order, and the library writes rows of history. Work that happens once is not
measured: the library pads all images (for all loops, the time of a training of one step is subtracted), and the other
loops start their first workers. Each measurement starts when the machine is idle and the other loops' loaders are full;
the few batches that these have prefetched favor them. On a GPU, the library's times include recording its step.

The program also prints images per second, the fraction of the device's measured peak of matrix products, the seconds
until the first step, and the time of a study of 13 scenarios, 2 arms and 6 seeds.

On two idle cores of an AMD EPYC with AVX-512 BF16 and without AMX, PyTorch 2.15, 2026-11-30: milliseconds per step of
the library, and how many times as long the other loops took (medians of two turns; `--steps` 25, 8 and 6 with
`--no-limits`), and the fraction of the peak of products of 2048 x 2048 matrices (0.41 TFLOP/s in bfloat16, 0.17 in
float32 with AVX2):

    teacher     student     numbers          batch 128   peak    tutorial   batch 64   RepDistiller   mdistiller
    resnet18    resnet8x4   bfloat16         749         90 %    2.7x       358, 379   2.3x           2.2x
    convnet_m   convnet_s   bfloat16         95          55 %    2.3x       48, 44     2.5x           2.6x
    resnet18    resnet8x4   float32, AVX2    1,637       100 %   1.3x       781        1.2x           not measured
    convnet_m   convnet_s   float32, AVX2    157         81 %    1.4x       80, 77     1.6x           1.5x

On one NVIDIA H200 with 16 cores (PyTorch 2.11), the library's milliseconds per step, from trainings of 400 and 1,200
steps on 8,000 images:

    teacher     student     batch 128   batch 64
    resnet18    resnet8x4   2.15        1.48
    convnet_m   convnet_s   1.13        0.87
    convnet_l   resnet8     1.44        1.03

The other loops were measured on the same kind of GPU weeks before. They wait for their loaders: the tutorial's loop
took 12.6 to 12.8 ms per step (batches of 128) for every pair, the repositories' loops 10.1 to 11.4 (batches of 64).

The small networks spend most of their time in normalization, pooling and GELU, which are limited by memory bandwidth.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from peer_loops import PEERS, peer_loop
from torch.utils.flop_counter import FlopCounterMode
from training_loops import Pair, library_loop, patterns, tutorial_loop

from distillery.config.choices import NETWORKS
from distillery.models.architectures import build_network
from distillery.training.hardware import arithmetic, choose_device

IMAGES = 50_000  # as in CIFAR-10; with fewer, the other loops would restart their workers more often
STUDY = {
    "scenarios": 13,
    "arms": 2,
    "seeds": 6,
    "steps": 3000,
    "batch": 128,
    "images": 8000,
}  # steps and batch as in config.yaml
# environment variables that limit the kernels of PyTorch, oneDNN and MKL to AVX2
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
FIRST = 20  # steps before the measurement; their losses are compared
QUIET = 1.0  # seconds until the loaders of the other loop are idle
ENOUGH = 10.0  # seconds that a measurement of the library takes at least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", choices=NETWORKS, default="resnet18")
    parser.add_argument("--student", choices=NETWORKS, default="resnet8x4")
    parser.add_argument(
        "--steps", type=int, default=0, help="per measurement; 0: as many as the library does in about 10 s"
    )
    for name in PEERS:
        parser.add_argument(f"--{name}", metavar="FOLDER", help=f"a checkout of {name}, to measure its loop too")
    parser.add_argument("--images", type=int, default=IMAGES, help="train images")
    parser.add_argument("--no-limits", action="store_true", help="only compare loops")
    parser.add_argument("--turns", type=int, default=3, help="measurements of each loop")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: all")
    parser.add_argument("--avx2", action="store_true", help="use no newer instructions, and float32")
    parser.add_argument("--concurrent", type=int, default=0, help="only time this many whole trainings at once")
    parser.add_argument("--single", action="store_true", help=argparse.SUPPRESS)  # run one of these trainings
    options = parser.parse_args()
    if options.avx2:
        use_avx2_alone()
    pixels, labels = patterns(STUDY["images"] if options.single else options.images)
    device = choose_device(options.threads)
    pair = Pair(options.teacher, options.student, pixels, labels, device)
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    if options.single:
        library_loop(pair, STUDY["batch"])(STUDY["steps"])
        return
    print(f"teacher {options.teacher}, student {options.student}, on {where}", flush=True)
    if options.concurrent:
        time_concurrent_trainings(pair, options.concurrent)
        return
    compare("tutorial", pair, 128, tutorial_loop(pair, 128), options.steps, options.turns)
    for name in PEERS:
        if checkout := vars(options)[name]:
            compare(name, pair, 64, peer_loop(name, checkout, pair, 64), options.steps, options.turns)
    if not options.no_limits:
        report_limits(pair, options.steps)


def use_avx2_alone() -> None:
    """Restart this program with the variables `AVX2`, which libraries read when they are loaded."""
    if any(os.environ.get(name) != value for name, value in AVX2.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | AVX2)
    torch.cpu._is_avx512_bf16_supported = lambda: False  # torch queries the CPU, not the variables


def compare(name: str, pair: Pair, batch: int, other: Callable[[int], float], steps: int, turns: int) -> None:
    """Print milliseconds per step of the library and another loop, their ratio, and the losses of their first steps."""
    ways = {name: other, "library": library_loop(pair, batch)}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    losses = {way: run(FIRST) for way, run in ways.items()}  # also warms up
    steps = steps or enough_steps(ways["library"], pair.device)
    for _ in range(turns):
        for way, run in ways.items():
            seconds[way].append(seconds_a_step(run, steps, pair.device))
    for way, found in seconds.items():
        speed = batch / statistics.median(found)
        print(f"  {way}, batch {batch}: {1000 * statistics.median(found):.1f} ms per step, {speed:,.0f} images/s")
    ratios = [other / library for other, library in zip(*seconds.values(), strict=True)]
    print(f"  library: {statistics.median(ratios):.1f}x as fast ({min(ratios):.1f}–{max(ratios):.1f}, {turns} turns)")
    print(f"  mean loss of the first {FIRST} steps: " + ", ".join(f"{way} {loss:.3f}" for way, loss in losses.items()))


def seconds_a_step(run: Callable[[int], object], steps: int, device: torch.device) -> float:
    """Seconds per step. The time of a training of one step, which is mostly setup, is subtracted."""
    time.sleep(QUIET)  # the workers of the other loop still run for a while
    once = clock(lambda: run(1), device)
    return (clock(lambda: run(1 + steps), device) - once) / steps


def enough_steps(run: Callable[[int], object], device: torch.device) -> int:
    """A number of steps that takes long enough for a measurement."""
    steps = 10
    while clock(lambda steps=steps: run(steps), device) < ENOUGH:
        steps *= 2
    return steps


def clock(action: Callable[[], object], device: torch.device) -> float:
    """Seconds of an action, until the device has finished it."""
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


# --- limits -----------------------------------------------------------------------------------------------------------


def report_limits(pair: Pair, steps: int) -> None:
    """Print the fraction of the device's peak of matrix products, the start-up time, and the time of a study."""
    batch = STUDY["batch"]
    run = library_loop(pair, batch)
    run(10)
    step = seconds_a_step(run, steps or enough_steps(run, pair.device), pair.device)
    operations, peak = operations_of_step(pair, batch), matrix_peak(pair.device, arithmetic(pair.device))
    print(
        f"  {operations / 1e9:.1f} GFLOP per step at {operations / step / 1e12:.2f} TFLOP/s:"
        f" {100 * operations / step / peak:.0f} % of the {peak / 1e12:.2f} TFLOP/s that matrix products reach"
        f" ({matrix_peak(pair.device, torch.float32) / 1e12:.2f} in float32)"
    )
    start, budget = start_up(), STUDY["steps"]
    runs = STUDY["scenarios"] * STUDY["arms"] * STUDY["seeds"]
    minutes = runs * (start + budget * step) / 60
    print(f"  {start:.1f} s to start; {runs} runs of {budget} steps: {minutes:,.0f} minutes, one after another")


def time_concurrent_trainings(pair: Pair, number: int) -> None:
    """Print the seconds per whole training, start-up included, for one training and for several at once."""
    for at_once in (1, number):
        command = [sys.executable, __file__, "--single", "--teacher", pair.teacher, "--student", pair.student]
        started = time.perf_counter()
        jobs = [subprocess.Popen([*command, "--threads", "2"]) for _ in range(at_once)]
        if any(job.wait() for job in jobs):
            sys.exit("a training failed")
        seconds = (time.perf_counter() - started) / at_once
        print(
            f"  {at_once} at once: {seconds:.1f} s per training of {STUDY['steps']} steps, start-up included",
            flush=True,
        )


def operations_of_step(pair: Pair, batch: int) -> float:
    """Floating-point operations of the student's forward and backward pass and the teacher's forward pass."""
    x = torch.rand(batch, 3, 32, 32)
    # both in eval mode, in which convolutions have as many operations as in train mode
    teacher, student = (build_network(name, 10).eval() for name in (pair.teacher, pair.student))
    teacher.requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        teacher(x)
        student(x).sum().backward()
    return counter.get_total_flops()


def matrix_peak(device: torch.device, kind: torch.dtype) -> float:
    """Floating-point operations per second of a large square matrix product; the fastest of five."""
    side = 8192 if device.type == "cuda" else 2048
    a = torch.rand(side, side, device=device, dtype=kind)
    a @ a
    return 2 * side**3 / min(clock(lambda: a @ a, device) for _ in range(5))


def start_up() -> float:
    """Seconds until a new process has imported the modules of a run and initialized the device; median of three."""
    code = (
        "from distillery.distillation import hyperparameter_search, student;"
        "from distillery.training.hardware import choose_device;"
        "import torch; torch.zeros(1, device=choose_device())"
    )
    command = [sys.executable, "-c", code]
    return statistics.median(clock(lambda: subprocess.run(command, check=True), torch.device("cpu")) for _ in range(3))


if __name__ == "__main__":
    main()
