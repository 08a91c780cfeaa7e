"""The three training loops that `benchmarks/training.py` compares, as functions that run a number of steps.

The other two are written from the description of their sources.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from distillery.config.defaults import arm_defaults, recipe_defaults
from distillery.distillation.methods import arm_of
from distillery.distillation.objective import objective_of, prepare_teacher
from distillery.models.architectures import build_network
from distillery.training.dataset import whole_source
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.recipe import Recipe

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True)
class Pair:
    """A teacher, a student, and the images they see."""

    teacher: str
    student: str
    pixels: np.ndarray  # uint8 [N, 32, 32, 3]
    labels: np.ndarray
    device: torch.device


def library_loop(pair: Pair, batch: int) -> Callable[[int], None]:
    """The library's loop with the arm kd, random crops and flips."""
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


# --- loops that a user would start from ------------------------------------------------------------------------------


class PillowImages(Dataset):
    """As torchvision's CIFAR10: each image goes through Pillow and a transformation."""

    def __init__(self, pair: Pair, transform: Callable):
        self.pixels, self.labels, self.transform = pair.pixels, pair.labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def endless(loader: DataLoader) -> Iterator:
    """Batches of one epoch after another."""
    while True:
        yield from loader


def tutorial_loop(pair: Pair, batch: int) -> Callable[[int], None]:
    """The loop of PyTorch's tutorial: T = 2, loss weights 0.25 for the teacher and 0.75 for the labels."""
    from torchvision import transforms  # takes seconds, which the library's loop does not need

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    loader = DataLoader(PillowImages(pair, transform), batch_size=batch, shuffle=True, num_workers=2)
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


def repository_loop(pair: Pair, batch: int) -> Callable[[int], None]:
    """The loop of RepDistiller and mdistiller: T = 4, loss weight 0.9 for the teacher."""
    from torchvision import transforms  # takes seconds, which the library's loop does not need

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    workers = min(8, os.cpu_count() or 1)
    loader = DataLoader(PillowImages(pair, transform), batch_size=batch, shuffle=True, num_workers=workers)
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
