"""The library's training loop and that of PyTorch's tutorial, as functions that run a number of steps.

The tutorial's is written from its description; loops of the peers are run by their own code (`peer_loops.py`).
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
from distillery.training.dataset import ImageDataset, whole_source
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.recipe import Recipe

# of the peers' KD: weight of the teacher, temperature, and plain momentum
ALPHA, TEMPERATURE, RATE, MOMENTUM, DECAY = 0.9, 4.0, 0.05, 0.9, 5e-4
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True)
class Pair:
    """A teacher, a student, and the images they see."""

    teacher: str
    student: str
    pixels: np.ndarray  # uint8 [N, 32, 32, 3]
    labels: np.ndarray
    device: torch.device

    @property
    def workers(self) -> int:
        """Worker processes of the other loops' loaders, as the peers set them where there are so many cores."""
        return min(8, os.cpu_count() or 1)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Student and teacher with the same first weights in every loop. They take normalized images."""
        student, teacher = (
            start_network(recipe_of(name), 10, self.images(), seed, self.device).network.to(
                memory_format=torch.contiguous_format  # as theirs are
            )
            for seed, name in enumerate((self.student, self.teacher))
        )
        return student, teacher.requires_grad_(False).eval()

    def images(self) -> ImageDataset:
        """The images as the library trains on them."""
        return whole_source("patterns", self.pixels, self.labels)


def recipe_of(network: str, steps: int = 1, batch: int = 64) -> Recipe:
    """The library's recipe with the optimizer of the peers: a constant learning rate, no warm-up."""
    changes = {"network": network, "steps": steps, "batch": batch, "lr": RATE, "momentum": MOMENTUM}
    changes |= {"weight_decay": DECAY, "schedule": "constant", "warmup": 0.0, "checkpoint_every": 0}
    return Recipe.of(recipe_defaults() | changes)


def patterns(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [count, 32, 32, 3] of ten classes: a faint pattern each, under noise. So that a loss can fall."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    faint = rng.integers(0, 64, (10, 32, 32, 3), np.uint8)
    return rng.integers(0, 192, (count, 32, 32, 3), np.uint8) + faint[labels], labels


def library_loop(pair: Pair, batch: int) -> Callable[[int], float]:
    """The library's loop with the arm kd, random crops and flips. It returns the mean loss."""
    arm = arm_of(arm_defaults("kd") | {"alpha": ALPHA, "temperature": TEMPERATURE})
    images = pair.images()
    teacher = start_network(recipe_of(pair.teacher), 10, images, 1, pair.device).requires_grad_(False).eval()
    teacher = prepare_teacher(teacher, arm, pair.device)
    network = start_network(recipe_of(pair.student), 10, images, 0, pair.device)
    objective = objective_of(arm, teacher, lambda logits: logits)

    def run(steps: int) -> float:
        recipe = recipe_of(pair.student, steps, batch)
        history = train(network, images, recipe, objective, optimizer_of(recipe, network), seed=0, classes=10)
        ends = [0, *(row.step for row in history)]
        return sum(row.loss * (ends[i + 1] - ends[i]) for i, row in enumerate(history)) / steps

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


def tutorial_loop(pair: Pair, batch: int) -> Callable[[int], float]:
    """The loop of PyTorch's tutorial: T = 2, loss weights 0.25 for the teacher and 0.75 for the labels."""
    from torchvision import transforms  # takes seconds, which the library's loop does not need

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    loader = DataLoader(PillowImages(pair, transform), batch_size=batch, shuffle=True, num_workers=2)
    student, teacher = pair.networks()
    optimizer = torch.optim.Adam(student.parameters(), lr=0.001)
    student.train()
    batches = endless(loader)

    def run(steps: int) -> float:
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
        return running / steps

    return run
