"""One run: a student of one scenario, arm and seed.

All methods of one seed start from the same initialisation and, where they train on the same pictures, see the same
order and views: they differ in the loss alone (`published_…` in what `published.py` says).

A scenario may train on fewer classes than the study has. Its students keep the study's C logits, so that predictions
of all runs are columns of one table, but every softmax, of student and teacher, is over the trained classes only: the
other logits get no gradient, and no probability at the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distillery.files import hash_files, write_whole
from distillery.jobs import StudyError, log
from distillery.learning import published
from distillery.learning.augmentation import alter_copies
from distillery.learning.checkpoints import Checkpoint, digest
from distillery.learning.data import Pictures, load_plan
from distillery.learning.devices import choose_device
from distillery.learning.losses import cross_entropy, distillation
from distillery.learning.networks import Normalised
from distillery.learning.optimisation import Optimiser, sgd
from distillery.learning.prediction import by_class, predict_classes, share, write_predictions
from distillery.learning.recipe import Recipe
from distillery.learning.training import Objective, Row, start_network, train, write_history
from distillery.learning.weights import Trained, load_weights, save_weights


@dataclass(frozen=True)
class Arm:
    """A way to train a student.

    Attributes:
        method: ce, kd, published_ce or published_kd.
        alpha: share of the teacher in the loss of kd, 0 to 1; the published arms have their own.
        temperature: of kd, above 0.
    """

    method: str
    alpha: float = 0.9
    temperature: float = 4.0

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> Arm:
        """An arm of the configuration.

        Raises:
            StudyError: the method is unknown.
        """
        arm = cls(section["method"], float(section.get("alpha", 0.9)), float(section.get("temperature", 4.0)))
        if arm.method not in METHODS:
            raise StudyError(f"arm: method {arm.method!r} is unknown; choose one of {', '.join(METHODS)}")
        return arm

    @property
    def taught(self) -> bool:
        """Whether the teacher takes part."""
        return self.method in ("kd", "published_kd")


METHODS = ("ce", "kd", "published_ce", "published_kd")


@dataclass(frozen=True)
class Run:
    """A trained student, how it came about, and what it says of the test pictures."""

    trained: Trained
    history: list[Row]
    test: Pictures
    logits: np.ndarray
    predicted: np.ndarray
    metrics: dict[str, Any]
    checkpoint: Checkpoint | None

    def save(self, weights: str | Path, history: str | Path, predictions: str | Path, metrics: str | Path) -> None:
        """Write the run's four files, then forget its checkpoint."""
        write_history(history, self.history)
        write_predictions(predictions, self.test, self.logits, self.predicted)
        save_weights(weights, self.trained)
        write_whole(metrics, json.dumps(self.metrics, indent=2) + "\n")
        if self.checkpoint:
            self.checkpoint.remove()


def train_student(
    plan: str | Path,
    pixels: Sequence[str | Path],
    teacher: str | Path,
    *,
    scenario: str,
    arm_name: str,
    arm: Arm,
    recipe: Recipe,
    augment: str,
    sources: Sequence[str],
    classes: Sequence[str],
    seed: int,
    augment_seed: int,
    checkpoints: str | Path,
    threads: int = 0,
) -> Run:
    """Train and test one student.

    Args:
        plan: parquet of the scenario's pictures.
        pixels: curated `.npy` of each of `sources`.
        teacher: weights; read only by the arms it takes part in.
        augment: how the plan's altered copies are altered: none, color or rotation.
        seed: of initialisation, order and views.
        checkpoints: folder to go on from, one a run.

    Raises:
        StudyError: damaged files, a teacher of other classes or sizes, a loss that is not finite.
    """
    parts = load_plan(plan, pixels, sources, classes)
    pictures = alter_copies(parts["train"], augment, augment_seed)
    if arm.method == "published_kd":
        pictures = published.first_of_class_order(pictures)
    if arm.method.startswith("published"):
        lr = published.KD_LR if arm.taught else published.SCRATCH_LR
        recipe = published.published_recipe(recipe, len(pictures), lr)
    trained_classes = parts["train"].labels.unique()  # sorted
    device = choose_device(threads)
    network = start_network(recipe.network, len(classes), pictures, seed, device)
    loss, optimiser = _method(arm, recipe, network, teacher, classes, trained_classes, device)
    checkpoint = _checkpoint(arm, recipe, seed, classes, teacher, pictures, checkpoints, device)
    history = train(
        network,
        replace(pictures, labels=torch.searchsorted(trained_classes, pictures.labels)),
        recipe,
        loss,
        optimiser,
        seed=seed,
        classes=len(trained_classes),
        validate=lambda network: _accuracy(network, parts["val"], trained_classes),
        checkpoint=checkpoint,
        label=f"{scenario}, {arm_name}, seed {seed}",
    )
    logits, predicted = predict_classes(network, parts["test"].pixels, trained_classes)
    metrics = {
        "scenario": scenario,
        "arm": arm_name,
        "seed": seed,
        "network": recipe.network,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "steps": recipe.steps,
        "batch": recipe.batch,
        "augment": augment,
        "n_train": len(pictures),
        "n_train_unique": int((~pictures.augmented).sum()),
        "n_classes": len(trained_classes),
        **_test_metrics(parts["test"], predicted, sources, classes),
        "val_accuracy": history[-1].val_accuracy,
    }
    side = pictures.pixels.shape[-1]
    trained = Trained(network, recipe.network, tuple(classes), side, "student", recipe.steps)
    return Run(trained, history, parts["test"], logits, predicted, metrics, checkpoint)


def _method(
    arm: Arm,
    recipe: Recipe,
    network: nn.Module,
    teacher: str | Path,
    classes: Sequence[str],
    trained_classes: Tensor,
    device: torch.device,
) -> tuple[Objective, Optimiser]:
    """What a method makes small, and how."""
    restrict = restriction(trained_classes.to(device), len(classes))
    if arm.method == "kd":
        taught_by = load_teacher(teacher, classes, device)
        objective = kd_objective(taught_by, restrict, arm.alpha, arm.temperature)
        return objective, sgd(network, recipe.momentum, recipe.weight_decay)
    if arm.method == "published_kd":
        taught_by = published.unfrozen(load_teacher(teacher, classes, device))
        return published.kd_objective(taught_by, restrict), published.kd_optimiser(network, taught_by)
    if arm.method == "published_ce":
        return ce_objective(restrict), published.scratch_optimiser(network)
    return ce_objective(restrict), sgd(network, recipe.momentum, recipe.weight_decay)


def restriction(trained: Tensor, classes: int) -> Callable[[Tensor], Tensor]:
    """A function from logits [B, C] to those of the classes trained on, [B, len(trained)]."""
    if len(trained) == classes:
        return lambda logits: logits
    return lambda logits: logits.index_select(1, trained)


def ce_objective(restrict: Callable[[Tensor], Tensor]) -> Objective:
    """Cross-entropy on the labels."""
    return lambda network, views, targets: cross_entropy(restrict(network(views)), targets)


def kd_objective(
    teacher: nn.Module, restrict: Callable[[Tensor], Tensor], alpha: float, temperature: float
) -> Objective:
    """Distillation from a live teacher that sees the very views the student sees, mixed ones too."""

    def objective(network: nn.Module, views: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            labelled = restrict(teacher(views))
        return distillation(restrict(network(views)), labelled, targets, alpha, temperature)

    return objective


def load_teacher(path: str | Path, classes: Sequence[str], device: torch.device) -> Normalised:
    """The teacher, frozen and in eval mode, on the device."""
    teacher = load_weights(path, classes).network.to(device, memory_format=torch.channels_last)
    return teacher.requires_grad_(False).eval()


def _checkpoint(
    arm: Arm,
    recipe: Recipe,
    seed: int,
    classes: Sequence[str],
    teacher: str | Path,
    pictures: Pictures,
    folder: str | Path,
    device: torch.device,
) -> Checkpoint | None:
    if arm.method == "published_kd":
        # its teacher changes, and checkpoints hold no teacher; seven epochs are soon done again
        log.info("no checkpoints: the method changes the teacher")
        return None
    settings = {
        "arm": asdict(arm),
        "recipe": asdict(recipe),
        "seed": seed,
        "classes": list(classes),
        "teacher": hash_files([teacher]) if arm.taught else "",
        "device": device.type,
    }
    path = Path(folder) / "checkpoint.pt"
    return Checkpoint(path, digest(settings, pictures.pixels, pictures.labels), recipe.checkpoint_every)


def _accuracy(network: nn.Module, pictures: Pictures, trained_classes: Tensor) -> float | None:
    _, predicted = predict_classes(network, pictures.pixels, trained_classes)
    return share(predicted == pictures.labels.numpy())


def _test_metrics(
    test: Pictures, predicted: np.ndarray, sources: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    labels = test.labels.numpy()
    right = predicted == labels
    by_source = {name: right[test.sources == name] for name in sources if (test.sources == name).any()}
    return {
        "n_test": len(test),
        "accuracy": share(right),
        "by_source": {name: {"accuracy": share(part), "n": len(part)} for name, part in by_source.items()},
        "per_class": by_class(right, labels, classes),
    }
