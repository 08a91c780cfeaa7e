"""The library's training loop and that of PyTorch's tutorial, as functions that run a number of steps.

The tutorial's loop is written here from its description. `peer_loops.py` runs the loops of other projects.
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
from distillery.distillation.methods.registry import arm_of
from distillery.distillation.objective import objective_of, prepare_teacher
from distillery.training.data.dataset import ImageDataset, whole_source
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.recipe import Recipe

# settings of the other projects' KD: weight of the teacher's loss, temperature, and SGD with plain momentum
ALPHA, TEMPERATURE, RATE, MOMENTUM, DECAY = 0.9, 4.0, 0.05, 0.9, 5e-4
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True)
class Pair:
    """The names of a teacher and a student network, and the images that they train on."""

    teacher: str
    student: str
    pixels: np.ndarray  # uint8 [N, 32, 32, 3]
    labels: np.ndarray
    device: torch.device

    @property
    def workers(self) -> int:
        """Worker processes of the other loops' loaders: 8 as in the other projects, or fewer on fewer cores."""
        return min(8, os.cpu_count() or 1)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Student and teacher with the same first weights in every loop. Their inputs are normalized images."""
        student, teacher = (
            start_network(recipe_of(name), 10, self.images(), seed, self.device).network.to(
                memory_format=torch.contiguous_format  # as in the other projects
            )
            for seed, name in enumerate((self.student, self.teacher))
        )
        return student, teacher.requires_grad_(False).eval()

    def images(self) -> ImageDataset:
        """The images as the library trains on them."""
        return whole_source("patterns", self.pixels, self.labels)


def recipe_of(network: str, steps: int = 1, batch: int = 64) -> Recipe:
    """The library's recipe with the other projects' optimizer: constant learning rate, no warm-up."""
    changes = {"network": network, "steps": steps, "batch": batch, "lr": RATE, "momentum": MOMENTUM}
    changes |= {"weight_decay": DECAY, "schedule": "constant", "warmup": 0.0, "checkpoint_every": 0}
    return Recipe.of(recipe_defaults() | changes)


def patterns(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [count, 32, 32, 3] and labels [count] of ten classes: noise with a faint pattern of the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    faint = rng.integers(0, 64, (10, 32, 32, 3), np.uint8)
    return rng.integers(0, 192, (count, 32, 32, 3), np.uint8) + faint[labels], labels


def library_loop(pair: Pair, batch: int) -> Callable[[int], float]:
    """The library's loop with the arm kd, random crops and flips: a function from steps to their mean loss."""
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
    """A data set that works like torchvision's CIFAR10: each image passes through Pillow and a transformation."""

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
    """The loop of PyTorch's tutorial, with T = 2 and loss weights of 0.25 for the teacher and 0.75 for the labels.

    Returns a function from steps to their mean loss.
    """
    from torchvision import transforms  # imported here: it takes seconds, and the library's loop does not need it

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
