"""Measure the seconds to train a CIFAR-10 teacher: the library against airbench (Jordan 2024) on the same GPU.

    python benchmarks/teacher.py resources/cifar10                   convnet_l, which trains fast
    python benchmarks/teacher.py resources/cifar10 --teacher best    convnet_xl, which is more accurate
    python benchmarks/teacher.py resources/cifar10 --airbench        also airbench94 or 96 (pip install airbench)

The folder contains torchvision's CIFAR-10. The time of a training is from images in memory to the end of the last step.
airbench is warmed up first, as its authors do, and the time to read its files is subtracted. The library selects its
kernels anew in every training. Accuracy is measured on the 10,000 unchanged test images, and as airbench defines it:
from the weighted mean of the logits of each image, its mirror image, and both moved by one pixel along the diagonal in
either direction. airbench uses label smoothing. The library's teacher does not, because that is bad for distillation.

On one NVIDIA H200 (PyTorch 2.11), while twelve other trainings used the same GPU, one training of `best` took 31 s and
reached 95.1 % on the unchanged images. Not yet run: more seeds, `fast`, airbench.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F

from distillery.cifar10 import CIFAR10
from distillery.config.defaults import recipe_defaults
from distillery.curation.teacher_data.cifar10_images import load_cifar10
from distillery.distillation.methods.losses import cross_entropy
from distillery.training.data.dataset import ImageDataset, whole_source
from distillery.training.hardware import choose_device
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.prediction import predict
from distillery.training.recipe import Recipe

MUON = recipe_defaults()
MUON |= {"optimizer": "muon", "momentum": 0.6, "schedule": "triangular", "warmup": 0.2, "checkpoint_every": 0}
RECIPES = {
    # 20 epochs
    "fast": Recipe(**MUON | {"network": "convnet_l", "steps": 1000, "batch": 1000, "lr": 0.24, "crop": 3}),
    # 40 epochs
    "best": Recipe(**MUON | {"network": "convnet_xl", "steps": 3900, "batch": 512, "lr": 0.1, "crop": 4, "cutout": 12}),
}
T = TypeVar("T")
AIRBENCH = {"fast": "94", "best": "96"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that contains torchvision's CIFAR-10")
    parser.add_argument("--teacher", choices=RECIPES, default="fast")
    parser.add_argument("--steps", type=int, default=0, help="0: as many as the recipe has")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--airbench", action="store_true")
    options = parser.parse_args()
    recipe = RECIPES[options.teacher]
    recipe = Recipe.of(vars(recipe) | {"steps": options.steps or recipe.steps})
    parts = zip(("train", "test"), load_cifar10(options.folder, CIFAR10, 32, (0, 0), 0), strict=True)
    train_images, test = (whole_source(name, part.pixels, part.labels) for name, part in parts)
    device = choose_device()
    where = torch.cuda.get_device_name() if device.type == "cuda" else "the CPU"
    print(f"{recipe.network}, {recipe.steps} steps of {recipe.batch}, on {where}", flush=True)
    report(
        "library", [train_library_teacher(recipe, train_images, test, device, seed) for seed in range(options.seeds)]
    )
    if options.airbench:
        report(
            f"airbench{AIRBENCH[options.teacher]}",
            train_airbench(AIRBENCH[options.teacher], train_images, test, options.seeds),
        )


def report(name: str, found: list[tuple[float, float, float]]) -> None:
    """Print means over trainings, each given as seconds, accuracy, and accuracy over moved views (0 to 1)."""
    seconds, plain, moved = (list(column) for column in zip(*found, strict=True))
    spread = statistics.stdev(moved) if len(moved) > 1 else 0
    print(
        f"  {name}: {statistics.mean(seconds):.1f} s ({min(seconds):.1f}–{max(seconds):.1f}),"
        f" {100 * statistics.mean(plain):.2f} % unchanged, {100 * statistics.mean(moved):.2f} % over moved views"
        f" (standard deviation {100 * spread:.2f}, n = {len(found)})",
        flush=True,
    )


def train_library_teacher(
    recipe: Recipe, train_images: ImageDataset, test: ImageDataset, device: torch.device, seed: int
) -> tuple[float, float, float]:
    """Seconds of a training, accuracy, and accuracy over moved views (0 to 1)."""

    def trained_network():
        network = start_network(recipe.network, 10, train_images, seed, device)
        train(network, train_images, recipe, loss, optimizer_of(recipe, network), seed=seed, classes=10)
        return network

    torch.zeros(1, device=device)  # initializes the device, which is not part of the training
    seconds, network = timed(trained_network)
    plain, moved = (accuracy(logits(network, test.pixels), test.labels) for logits in (predict, over_moved_views))
    return seconds, plain, moved


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Seconds of an action, until the device has finished it, and its result."""
    started = time.perf_counter()
    result = action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


def loss(network, batch) -> torch.Tensor:
    """Cross-entropy of a batch."""
    return cross_entropy(network(batch.views), batch.targets)


def over_moved_views(network, pixels: torch.Tensor) -> torch.Tensor:
    """Logits [N, C] as in airbench: half from the image, half from its moved views, each with its mirror image."""
    border = F.pad(pixels.float(), (1, 1, 1, 1), mode="reflect").to(torch.uint8)
    moved = (border[:, :, :32, :32], border[:, :, 2:, 2:])

    def mirrored(views: torch.Tensor) -> torch.Tensor:
        return predict(network, views) + predict(network, views.flip(3))

    return mirrored(pixels) / 2 + sum(map(mirrored, moved)) / 4


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The fraction of images whose largest logit is that of the label, 0 to 1."""
    return (logits.argmax(dim=1) == labels).float().mean().item()


def train_airbench(
    name: str, train_images: ImageDataset, test: ImageDataset, seeds: int
) -> list[tuple[float, float, float]]:
    """Seconds and both accuracies (0 to 1) of each of airbench's trainings on the same images."""
    import airbench

    folder = Path("cifar10")  # where airbench reads its data
    folder.mkdir(exist_ok=True)
    for part, images in (("train", train_images), ("test", test)):
        values = {"images": images.pixels.permute(0, 2, 3, 1), "labels": images.labels, "classes": list(CIFAR10)}
        torch.save(values, folder / f"{part}.pt")
    with redirect_stdout(io.StringIO()):  # the warm-up is a training that prints
        getattr(airbench, f"warmup{name}")()
    found = []
    for run in range(seeds):
        seconds, network = timed(lambda run=run: getattr(airbench, f"train{name}")(run=run, verbose=False))
        for part in (True, False):  # every training reads both files
            seconds -= timed(lambda part=part: airbench.CifarLoader("cifar10", train=part))[0]
        loader = airbench.CifarLoader("cifar10", train=False, batch_size=2000)
        found.append((seconds, airbench.evaluate(network, loader, 0), airbench.evaluate(network, loader, 2)))
    return found


if __name__ == "__main__":
    main()
