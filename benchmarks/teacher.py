"""Seconds until a teacher knows CIFAR-10: the library's against airbench (Jordan 2024), on the same card.

    python benchmarks/teacher.py resources/cifar10                   convnet_l, a fast one
    python benchmarks/teacher.py resources/cifar10 --teacher best    convnet_xl, a good one
    python benchmarks/teacher.py resources/cifar10 --airbench        and airbench94 or airbench96 (pip install airbench)

The folder holds torchvision's CIFAR-10. Seconds are of the training alone, from images in memory to the last step;
airbench's is warmed up first, as its authors do, and what it takes to read its files is taken off; ours chooses its
kernels anew in every training. Accuracy is on the 10,000 test images as they are, and as airbench counts it: the mean
over each image, its mirror image, and both moved by a pixel either way along the diagonal. Airbench smooths labels; a
teacher of ours does not, since that spoils distilling.

On one NVIDIA H200 (PyTorch 2.11), one training, beside twelve others on the card: `best` took 31 s and had 95.1 % of
the images as they are. Not yet run: more seeds, `fast`, airbench.
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

from distillery.config.defaults import recipe_defaults
from distillery.curation.teacher_data import CIFAR10, load_cifar10
from distillery.distillation.losses import cross_entropy
from distillery.training.dataset import ImageDataset, whole_source
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
    parser.add_argument("folder", type=Path, help="of torchvision's CIFAR-10")
    parser.add_argument("--teacher", choices=RECIPES, default="fast")
    parser.add_argument("--steps", type=int, default=0, help="0: the recipe's")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--airbench", action="store_true")
    options = parser.parse_args()
    recipe = RECIPES[options.teacher]
    recipe = Recipe.of(vars(recipe) | {"steps": options.steps or recipe.steps})
    parts = zip(("trained", "test"), load_cifar10(options.folder, CIFAR10, 32, (0, 0), 0), strict=True)
    trained, test = (whole_source(name, part.pixels, part.labels) for name, part in parts)
    device = choose_device()
    where = torch.cuda.get_device_name() if device.type == "cuda" else "the CPU"
    print(f"{recipe.network}, {recipe.steps} steps of {recipe.batch}, on {where}", flush=True)
    report("ours", [ours(recipe, trained, test, device, seed) for seed in range(options.seeds)])
    if options.airbench:
        report(
            f"airbench{AIRBENCH[options.teacher]}", airbench(AIRBENCH[options.teacher], trained, test, options.seeds)
        )


def report(name: str, found: list[tuple[float, float, float]]) -> None:
    """Print the means of seconds, accuracy and accuracy over moved views."""
    seconds, plain, moved = (list(column) for column in zip(*found, strict=True))
    spread = statistics.stdev(moved) if len(moved) > 1 else 0
    print(
        f"  {name}: {statistics.mean(seconds):.1f} s ({min(seconds):.1f}–{max(seconds):.1f}),"
        f" {100 * statistics.mean(plain):.2f} % as they are, {100 * statistics.mean(moved):.2f} % over moved views"
        f" (standard deviation {100 * spread:.2f}, n = {len(found)})",
        flush=True,
    )


def ours(
    recipe: Recipe, trained: ImageDataset, test: ImageDataset, device: torch.device, seed: int
) -> tuple[float, ...]:
    """Seconds of a training, and both accuracies."""

    def learn():
        network = start_network(recipe.network, 10, trained, seed, device)
        train(network, trained, recipe, loss, optimizer_of(recipe, network), seed=seed, classes=10)
        return network

    torch.zeros(1, device=device)  # the device's own start is no part of it
    seconds, network = timed(learn)
    return seconds, *(right(logits(network, test.pixels), test.labels) for logits in (predict, over_moved_views))


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Seconds of an action, the device's queue included, and what it gives."""
    started = time.perf_counter()
    result = action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


def loss(network, batch) -> torch.Tensor:
    return cross_entropy(network(batch.views), batch.targets)


def over_moved_views(network, pixels: torch.Tensor) -> torch.Tensor:
    """Logits, half of them of the image and half of it moved, each with its mirror image, as airbench weighs them."""
    border = F.pad(pixels.float(), (1, 1, 1, 1), mode="reflect").to(torch.uint8)
    moved = (border[:, :, :32, :32], border[:, :, 2:, 2:])

    def mirrored(views: torch.Tensor) -> torch.Tensor:
        return predict(network, views) + predict(network, views.flip(3))

    return mirrored(pixels) / 2 + sum(map(mirrored, moved)) / 4


def right(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return (logits.argmax(dim=1) == labels).float().mean().item()


def airbench(name: str, trained: ImageDataset, test: ImageDataset, seeds: int) -> list[tuple[float, float, float]]:
    """The same of airbench's own training, from the same images."""
    import airbench as other

    folder = Path("cifar10")  # where it looks
    folder.mkdir(exist_ok=True)
    for part, images in (("train", trained), ("test", test)):
        values = {"images": images.pixels.permute(0, 2, 3, 1), "labels": images.labels, "classes": list(CIFAR10)}
        torch.save(values, folder / f"{part}.pt")
    with redirect_stdout(io.StringIO()):  # a warm-up that prints nothing would be a whole training
        getattr(other, f"warmup{name}")()
    found = []
    for run in range(seeds):
        seconds, network = timed(lambda run=run: getattr(other, f"train{name}")(run=run, verbose=False))
        for trained in (True, False):  # it reads both files anew in every training
            seconds -= timed(lambda trained=trained: other.CifarLoader("cifar10", train=trained))[0]
        loader = other.CifarLoader("cifar10", train=False, batch_size=2000)
        found.append((seconds, other.evaluate(network, loader, 0), other.evaluate(network, loader, 2)))
    return found


if __name__ == "__main__":
    main()
