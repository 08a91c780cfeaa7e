"""Seconds a step of distilling a student: the library's loop against two that a user would start from.

    python benchmarks/training.py                                            resnet18 teaching resnet8x4
    python benchmarks/training.py --teacher convnet_l --student resnet8      a pair for two CPU cores
    python benchmarks/training.py --together 8                               several trainings at once on one GPU

Each pair is measured in turns in one process: the same networks, batch, views' size and number of steps.

* tutorial: PyTorch's knowledge-distillation tutorial: a DataLoader of torchvision's CIFAR10 with ToTensor and Normalize
  in two workers, float32, Adam, the loss read after every step; batches of 128.
* repository: the loop of RepDistiller and mdistiller: a DataLoader with RandomCrop, RandomHorizontalFlip, ToTensor and
  Normalize of each image in workers, float32, SGD with momentum, loss and accuracy read after every step; batches
  of 64.

Ours crops and flips in both cases. Both are written from their description. The images are random, as many as
CIFAR-10 has to train on; their contents cost nothing.

Measured are steps one after another, with all that comes back during a training: a new epoch, for which theirs start
their workers anew and ours draws an order, and ours' rows of history. Not measured is what comes once: ours pads all
images (the time of a training of one step is taken off, as it is from theirs), theirs start their first workers. Each
turn starts on a quiet machine, with theirs' loaders full: the few batches that they have ahead are theirs to gain. On a
GPU ours records its step within each measurement.

Also printed: images a second, the share of the device's measured matrix-product peak, the seconds until
the first step, and what a study of 13 scenarios, 2 arms and 6 seeds comes to.

The two tables were measured with 8,000 images, and 20 steps (on the GPU 200) that began as soon as the other's ended
and paid for the padding.

On two cores of an AMD EPYC with AVX-512 BF16 and without AMX (median of 3 turns, which differ by less than 0.3):

    teacher     student     tutorial   repository   share of the peak
    resnet18    resnet8x4   2.9x       2.3x         76 %
    convnet_l   resnet8     2.5x       2.3x         57 %
    convnet_m   convnet_s   2.2x       2.0x         40 %

On one NVIDIA H200 with 16 cores (PyTorch 2.11), ours in milliseconds a step, from trainings of 400 and 1,200 steps on
8,000 images:

    teacher     student     batch 128   batch 64
    resnet18    resnet8x4   2.15        1.48
    convnet_m   convnet_s   1.13        0.87
    convnet_l   resnet8     1.44        1.03

Theirs were measured on such a card weeks before and wait for their loaders: the tutorial's loop took 12.6 to 12.8 ms a
step (batches of 128) for every pair, the repositories' 10.1 to 11.4 (batches of 64).

The limit of the two cores is arithmetic: matrix products reach 0.83 TFLOP/s in bfloat16 and 0.20 in float32, and the
float32 loops already run at 0.16 to 0.22, so that no loop of the same arithmetic could be more than about four times as
fast. (That is of the first machine: AMX multiplies more than twice as much.) The small networks lose theirs to
normalization, pooling and GELU, which move memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from distillery.config.choices import NETWORKS
from distillery.config.defaults import arm_defaults, recipe_defaults
from distillery.distillation.methods import arm_of
from distillery.distillation.objective import objective_of, prepare_teacher
from distillery.models.architectures import build_network
from distillery.training.dataset import whole_source
from distillery.training.hardware import arithmetic, choose_device
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.recipe import Recipe

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IMAGES = 50_000  # CIFAR-10's: with fewer, theirs would start their workers anew more often
STUDY = {"scenarios": 13, "arms": 2, "seeds": 6, "steps": 3000, "batch": 128, "images": 8000}  # config.yaml's budget
QUIET = 1.0  # seconds, in which loaders come to rest
ENOUGH = 10.0  # seconds of a measurement of ours


@dataclass(frozen=True)
class Pair:
    """A teacher, a student, and the images they see."""

    teacher: str
    student: str
    pixels: np.ndarray  # uint8 [N, 32, 32, 3]
    labels: np.ndarray
    device: torch.device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", choices=NETWORKS, default="resnet18")
    parser.add_argument("--student", choices=NETWORKS, default="resnet8x4")
    parser.add_argument("--steps", type=int, default=0, help="of a measurement; 0: what takes ours some 10 s")
    parser.add_argument("--turns", type=int, default=3, help="measurements of each")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0 for all")
    parser.add_argument("--together", type=int, default=0, help="time this many whole trainings at once, and no loops")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)  # one of those trainings
    options = parser.parse_args()
    chance, count = np.random.default_rng(0), STUDY["images"] if options.alone else IMAGES
    pixels = chance.integers(0, 256, (count, 32, 32, 3), np.uint8)
    device = choose_device(options.threads)
    pair = Pair(options.teacher, options.student, pixels, chance.integers(0, 10, count), device)
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    if options.alone:
        ours(pair, STUDY["batch"])(STUDY["steps"])
        return
    print(f"{options.teacher} teaching {options.student} on {where}", flush=True)
    if options.together:
        train_together(pair, options.together)
        return
    for name, batch, loop in (("tutorial", 128, tutorial), ("repository", 64, repository)):
        compare(name, pair, batch, loop, options.steps, options.turns)
    report_limits(pair, options.steps)


def compare(name: str, pair: Pair, batch: int, loop: Callable, steps: int, turns: int) -> None:
    """Print both ways' milliseconds a step, and their ratio."""
    ways = {name: loop(pair, batch), "ours": ours(pair, batch)}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for way in ways.values():
        way(10)  # warm up
    steps = steps or enough_steps(ways["ours"], pair.device)
    for _ in range(turns):
        for way, run in ways.items():
            seconds[way].append(seconds_a_step(run, steps, pair.device))
    for way, found in seconds.items():
        speed = batch / statistics.median(found)
        print(f"  {way}, batch {batch}: {1000 * statistics.median(found):.1f} ms a step, {speed:,.0f} images/s")
    ratios = [theirs / mine for theirs, mine in zip(*seconds.values(), strict=True)]
    print(f"  ours is {statistics.median(ratios):.1f}x as fast ({min(ratios):.1f}–{max(ratios):.1f}, {turns} turns)")


def seconds_a_step(run: Callable[[int], None], steps: int, device: torch.device) -> float:
    """Of steps after the first, which is measured by itself with what comes once a training."""
    time.sleep(QUIET)  # the other's workers go on for a moment
    once = clock(lambda: run(1), device)
    return (clock(lambda: run(1 + steps), device) - once) / steps


def enough_steps(run: Callable[[int], None], device: torch.device) -> int:
    """A number of steps that takes long enough to be measured."""
    steps = 10
    while clock(lambda steps=steps: run(steps), device) < ENOUGH:
        steps *= 2
    return steps


def clock(action: Callable[[], None], device: torch.device) -> float:
    """Seconds of an action, the device's queue included."""
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


# --- ours -------------------------------------------------------------------------------------------------------------


def ours(pair: Pair, batch: int) -> Callable[[int], None]:
    """The library's loop, with the arm kd, random crops and flips."""
    arm = arm_of(arm_defaults("kd"))
    images = whole_source("random", pair.pixels, pair.labels)
    teacher = start_network(pair.teacher, 10, images, 1, pair.device).requires_grad_(False).eval()
    teacher = prepare_teacher(teacher, arm, pair.device)
    network = start_network(pair.student, 10, images, 0, pair.device)
    objective = objective_of(arm, teacher, lambda logits: logits)

    def run(steps: int) -> None:
        changes = {"network": pair.student, "steps": steps, "batch": batch, "lr": 0.01, "checkpoint_every": 0}
        recipe = Recipe.of(recipe_defaults() | changes)
        train(network, images, recipe, objective, optimizer_of(recipe, network), seed=0, classes=10)

    return run


# --- theirs -----------------------------------------------------------------------------------------------------------


class ImagesOfPillow(Dataset):
    """As torchvision's CIFAR10: each image through Pillow and a transformation."""

    def __init__(self, pair: Pair, transform: Callable):
        self.pixels, self.labels, self.transform = pair.pixels, pair.labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def endless(loader: DataLoader) -> Iterator:
    while True:
        yield from loader


def tutorial(pair: Pair, batch: int) -> Callable[[int], None]:
    """PyTorch's tutorial: T = 2, 0.25 of the loss from the teacher, 0.75 from the labels."""
    from torchvision import transforms  # seconds, which a training alone does not pay

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    loader = DataLoader(ImagesOfPillow(pair, transform), batch_size=batch, shuffle=True, num_workers=2)
    teacher, student = (build_network(name, 10).to(pair.device) for name in (pair.teacher, pair.student))
    optimizer = torch.optim.Adam(student.parameters(), lr=0.001)
    teacher.eval()
    student.train()
    batches = endless(loader)

    def run(steps: int) -> None:
        running = 0.0
        for _ in range(steps):
            inputs, labels = (part.to(pair.device) for part in next(batches))
            optimizer.zero_grad()
            with torch.no_grad():
                teacher_logits = teacher(inputs)
            logits = student(inputs)
            soft_targets = F.softmax(teacher_logits / 2, dim=-1)
            soft_loss = torch.sum(soft_targets * (soft_targets.log() - F.log_softmax(logits / 2, dim=-1)))
            loss = 0.25 * soft_loss / len(logits) * 4 + 0.75 * F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            running += loss.item()

    return run


def repository(pair: Pair, batch: int) -> Callable[[int], None]:
    """The published distillers' loop: T = 4, 0.9 of the loss from the teacher."""
    from torchvision import transforms  # seconds, which a training alone does not pay

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    workers = min(8, os.cpu_count() or 1)
    loader = DataLoader(ImagesOfPillow(pair, transform), batch_size=batch, shuffle=True, num_workers=workers)
    teacher, student = (build_network(name, 10).to(pair.device) for name in (pair.teacher, pair.student))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    divergence = nn.KLDivLoss(reduction="batchmean")
    teacher.eval()
    student.train()
    batches = endless(loader)

    def run(steps: int) -> None:
        meters = []
        for _ in range(steps):
            inputs, labels = (part.to(pair.device) for part in next(batches))
            logits = student(inputs)
            with torch.no_grad():
                teacher_logits = teacher(inputs)
            soft = divergence(F.log_softmax(logits / 4, dim=1), F.softmax(teacher_logits / 4, dim=1)) * 16
            loss = 0.1 * F.cross_entropy(logits, labels) + 0.9 * soft
            top5 = logits.topk(5).indices == labels[:, None]
            meters.append((loss.item(), top5[:, 0].float().mean().item(), top5.any(1).float().mean().item()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


# --- limits -----------------------------------------------------------------------------------------------------------


def report_limits(pair: Pair, steps: int) -> None:
    """Print the share of the device's peak, the start-up, and the cost of a study."""
    batch = STUDY["batch"]
    run = ours(pair, batch)
    run(10)
    step = seconds_a_step(run, steps or enough_steps(run, pair.device), pair.device)
    operations, peak = operations_of_step(pair, batch), matrix_peak(pair.device, arithmetic(pair.device))
    print(
        f"  {operations / 1e9:.1f} GFLOP a step at {operations / step / 1e12:.2f} TFLOP/s:"
        f" {100 * operations / step / peak:.0f} % of the {peak / 1e12:.2f} that matrix products reach"
        f" ({matrix_peak(pair.device, torch.float32) / 1e12:.2f} in float32)"
    )
    start, budget = start_up(), STUDY["steps"]
    runs = STUDY["scenarios"] * STUDY["arms"] * STUDY["seeds"]
    minutes = runs * (start + budget * step) / 60
    print(f"  {start:.1f} s to start; {runs} runs of {budget} steps: {minutes:,.0f} minutes, one by one")


def train_together(pair: Pair, number: int) -> None:
    """Print the seconds a whole training takes, start-up included, one alone and several at once."""
    for at_once in (1, number):
        command = [sys.executable, __file__, "--alone", "--teacher", pair.teacher, "--student", pair.student]
        started = time.perf_counter()
        jobs = [subprocess.Popen([*command, "--threads", "2"]) for _ in range(at_once)]
        if any(job.wait() for job in jobs):
            sys.exit("a training failed")
        seconds = (time.perf_counter() - started) / at_once
        print(
            f"  {at_once} at once: {seconds:.1f} s a training of {STUDY['steps']} steps, start-up included", flush=True
        )


def operations_of_step(pair: Pair, batch: int) -> float:
    """Floating-point operations of the student's forward and backward pass and the teacher's forward pass."""
    x = torch.rand(batch, 3, 32, 32)
    # in eval mode both, so that no channel of zeros is counted; the convolutions are the same
    teacher, student = (build_network(name, 10).eval() for name in (pair.teacher, pair.student))
    teacher.requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        teacher(x)
        student(x).sum().backward()
    return counter.get_total_flops()


def matrix_peak(device: torch.device, kind: torch.dtype) -> float:
    """Operations a second of a large square matrix product; the best of five."""
    side = 8192 if device.type == "cuda" else 2048
    a = torch.rand(side, side, device=device, dtype=kind)
    a @ a
    return 2 * side**3 / min(clock(lambda: a @ a, device) for _ in range(5))


def start_up() -> float:
    """Seconds of a new process until a run's modules are imported and the device is there; the median of three."""
    code = (
        "from distillery.distillation import hyperparameter_search, student;"
        "from distillery.training.hardware import choose_device;"
        "import torch; torch.zeros(1, device=choose_device())"
    )
    command = [sys.executable, "-c", code]
    return statistics.median(clock(lambda: subprocess.run(command, check=True), torch.device("cpu")) for _ in range(3))


if __name__ == "__main__":
    main()
