"""One run: a student of one scenario, arm and seed.

All arms of one seed start from the same initialization and, where they train on the same images, see the same order
and views: they differ in the loss alone, and in learning rate and weight decay where each is tuned by itself (the
published ones in what `published.py` says).

A scenario may train on fewer classes than the study has. Its students keep the study's C logits, so that predictions
of all runs are columns of one table, but every softmax, of student and teacher, is over the trained classes only: the
other logits get no gradient, and no probability at the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distillery.distillation import published_recipe as published
from distillery.distillation.methods import Arm, ModelOutput
from distillery.jobs import UserError, log
from distillery.models.architectures import NormalizedModel
from distillery.models.batchnorm_folding import fold_batchnorm
from distillery.models.weights import TrainedNetwork, load_weights, save_weights
from distillery.storage.files import atomic_write, hash_files
from distillery.training.augmentation import augment_copies
from distillery.training.checkpoints import Checkpoint, digest, training_fingerprint
from distillery.training.dataset import ImageDataset, load_plan
from distillery.training.hardware import arithmetic, choose_device
from distillery.training.loop import Batch, HistoryRow, Objective, optimizer_of, start_network, train, write_history
from distillery.training.optimizers import Optimizer
from distillery.training.prediction import by_class, fraction, predict_classes, write_predictions
from distillery.training.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """A trained student, how it came about, and what it says of the test images."""

    trained: TrainedNetwork
    history: list[HistoryRow]
    test: ImageDataset
    logits: np.ndarray
    predicted: np.ndarray
    metrics: dict[str, Any]

    def save(self, weights: str | Path, history: str | Path, predictions: str | Path, metrics: str | Path) -> None:
        """Write the run's four files."""
        write_history(history, self.history)
        write_predictions(predictions, self.test, self.logits, self.predicted)
        save_weights(weights, self.trained)
        atomic_write(metrics, json.dumps(self.metrics, indent=2) + "\n")


@dataclass(frozen=True)
class ScenarioData:
    """What a scenario's students learn from and are tested on.

    Attributes:
        train: its altered copies made.
        val, test: of the common sources.
        trained: int64, the classes trained on, sorted; often all.
        classes: the study's C.
    """

    train: ImageDataset
    val: ImageDataset
    test: ImageDataset
    trained: Tensor
    classes: tuple[str, ...]


def load_scenario_data(
    plan: str | Path,
    pixels: Sequence[str | Path],
    sources: Sequence[str],
    classes: Sequence[str],
    augment: str,
    augment_seed: int,
) -> ScenarioData:
    """Read a scenario's images.

    Args:
        plan: parquet of the scenario's images.
        pixels: curated `.npy` of each of `sources`.
        augment: how the plan's altered copies are altered: none, color or rotation.

    Raises:
        UserError: damaged files, or a plan of images that are not there.
    """
    parts = load_plan(plan, pixels, sources, classes)
    train = augment_copies(parts["train"], augment, augment_seed)
    return ScenarioData(train, parts["val"], parts["test"], parts["train"].labels.unique(), tuple(classes))


def train_student(
    data: ScenarioData,
    teacher: str | Path,
    *,
    scenario: str,
    arm_name: str,
    arm: Arm,
    recipe: Recipe,
    augment: str,
    sources: Sequence[str],
    seed: int,
    checkpoints: str | Path,
    threads: int = 0,
    deterministic: bool = False,
) -> Run:
    """Train and test one student.

    Args:
        teacher: weights; read only by the arms it takes part in.
        sources: of the test images, in the study's order.
        seed: of initialization, order and views.
        checkpoints: folder to go on from, one a run.

    Raises:
        UserError: damaged files, a teacher of other classes or sizes, a loss that is not finite.
    """
    if arm.published:
        data, recipe = _published(arm, data, recipe)
    device = choose_device(threads, deterministic)
    label = f"{scenario}, {arm_name}, seed {seed}"
    network, history = fit_student(data, arm, recipe, teacher, seed, checkpoints, device, label)
    logits, predicted = predict_classes(network, data.test.pixels, data.trained)
    metrics = {
        "scenario": scenario,
        "arm": arm_name,
        "seed": seed,
        "network": recipe.network,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "steps": recipe.steps,
        "batch": recipe.batch,
        "lr": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "augment": augment,
        "n_train": len(data.train),
        "n_train_unique": int((~data.train.augmented).sum()),
        "n_classes": len(data.trained),
        **_test_metrics(data.test, predicted, sources, data.classes),
        "val_accuracy": history[-1].val_accuracy,
    }
    side = data.train.pixels.shape[-1]
    trained = TrainedNetwork(network, recipe.network, data.classes, side, "student", recipe.steps)
    return Run(trained, history, data.test, logits, predicted, metrics)


def _published(arm: Arm, data: ScenarioData, recipe: Recipe) -> tuple[ScenarioData, Recipe]:
    """What the published recipe trains on, and how."""
    if arm.uses_teacher:
        data = replace(data, train=published.first_of_class_order(data.train))
    lr = published.KD_LR if arm.uses_teacher else published.SCRATCH_LR
    return data, published.published_recipe(recipe, len(data.train), lr)


def fit_student(
    data: ScenarioData,
    arm: Arm,
    recipe: Recipe,
    teacher_path: str | Path,
    seed: int,
    checkpoints: str | Path,
    device: torch.device,
    label: str,
    keep_weights: bool = True,
) -> tuple[NormalizedModel, list[HistoryRow]]:
    """Train a student on the train images alone; the validation images measure it, the test images are not used.

    Args:
        checkpoints: folder to go on from, where the end is kept as well.
        keep_weights: at the end too, so that the same training need not be done again; else the history alone is kept,
            and the network that is returned the next time has not trained.
    """
    network = start_network(recipe.network, len(data.classes), data.train, seed, device)
    side = data.train.pixels.shape[-1]
    teacher = load_teacher(teacher_path, data.classes, side, device) if arm.uses_teacher else None
    if teacher:
        teacher = prepare_teacher(teacher, arm, device)
    checkpoint = _checkpoint(arm, recipe, seed, data, teacher_path, checkpoints, device, keep_weights)
    restrict = select_classes(data.trained.to(device), len(data.classes))
    history = train(
        network,
        replace(data.train, labels=torch.searchsorted(data.trained, data.train.labels)),
        recipe,
        objective_of(arm, teacher, restrict),
        _optimizer(arm, recipe, network, teacher),
        seed=seed,
        classes=len(data.trained),
        validate=lambda network: _accuracy(network, data.val, data.trained),
        checkpoint=checkpoint,
        label=label,
    )
    return network, history


def objective_of(arm: Arm, teacher: NormalizedModel | None, restrict: Callable[[Tensor], Tensor]) -> Objective:
    """An arm's loss with a live teacher that sees the very views the student sees, mixed ones too.

    Patient and consistent, as Beyer et al. (2022) have it. A frozen teacher needs no gradients; the published one
    learns along.
    """

    def objective(network: NormalizedModel, batch: Batch) -> Tensor:
        teacher_outputs = None
        if teacher:
            with torch.set_grad_enabled(arm.published):
                teacher_outputs = _model_output(arm, teacher, batch.views, restrict)
        return arm.loss(_model_output(arm, network, batch.views, restrict), teacher_outputs, batch)

    return objective


def _model_output(
    arm: Arm, network: NormalizedModel, views: Tensor, restrict: Callable[[Tensor], Tensor]
) -> ModelOutput:
    if not arm.needs_features:
        return ModelOutput(restrict(network(views)), [])
    features = network.features(views)
    return ModelOutput(restrict(network.classify(features[-1])), features)


def _optimizer(arm: Arm, recipe: Recipe, network: nn.Module, teacher: nn.Module | None) -> Optimizer:
    if not arm.published:
        return optimizer_of(recipe, network)
    return published.kd_optimizer(network, teacher) if teacher else published.scratch_optimizer(network)


def select_classes(trained: Tensor, classes: int) -> Callable[[Tensor], Tensor]:
    """A function from logits [B, C] to those of the classes trained on, [B, len(trained)]."""
    if len(trained) == classes:
        return lambda logits: logits
    return lambda logits: logits.index_select(1, trained)


def load_teacher(path: str | Path, classes: Sequence[str], side: int, device: torch.device) -> NormalizedModel:
    """The teacher, frozen and in eval mode, on the device.

    Args:
        side: pixels of the students' images.

    Raises:
        UserError: it is damaged, or of other classes or another size.
    """
    trained = load_weights(path, classes)
    if trained.image_size != side:
        raise UserError(
            f"teacher {path} trained images of {trained.image_size} pixels, the students' have {side}."
            " Delete it and run again."
        )
    teacher = trained.network.to(device, memory_format=torch.channels_last)
    return teacher.requires_grad_(False).eval()


def prepare_teacher(teacher: NormalizedModel, arm: Arm, device: torch.device) -> NormalizedModel:
    """A teacher as an arm asks it: the published ones one that learns along; the others a quicker copy."""
    if arm.published:
        published.unfreeze(teacher)
        return teacher
    return fold_batchnorm(teacher, arithmetic(device))


def _checkpoint(
    arm: Arm,
    recipe: Recipe,
    seed: int,
    data: ScenarioData,
    teacher_path: str | Path,
    folder: str | Path,
    device: torch.device,
    keep_weights: bool,
) -> Checkpoint:
    every = recipe.checkpoint_every
    if arm.published and arm.uses_teacher:
        # its teacher changes, and checkpoints hold no teacher; seven epochs are soon done again
        log.info("no checkpoints before the end: the method changes the teacher")
        every = 0
    settings = {
        "arm": {"method": arm.method, **asdict(arm)},
        "seed": seed,
        "classes": list(data.classes),
        "teacher": hash_files([teacher_path]) if arm.uses_teacher else "",
        "weights kept": keep_weights,
        **training_fingerprint(recipe, device),
    }
    images = [part for shown in (data.train, data.val) for part in (shown.pixels, shown.labels)]  # val: history
    return Checkpoint(Path(folder) / "checkpoint.pt", digest(settings, data.trained, *images), every, keep_weights)


def _accuracy(network: nn.Module, images: ImageDataset, trained_classes: Tensor) -> float | None:
    _, predicted = predict_classes(network, images.pixels, trained_classes)
    return fraction(predicted == images.labels.numpy())


def _test_metrics(
    test: ImageDataset, predicted: np.ndarray, sources: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    labels = test.labels.numpy()
    correct = predicted == labels
    by_source = {name: correct[test.sources == name] for name in sources if (test.sources == name).any()}
    return {
        "n_test": len(test),
        "accuracy": fraction(correct),
        "by_source": {name: {"accuracy": fraction(part), "n": len(part)} for name, part in by_source.items()},
        "per_class": by_class(correct, labels, classes),
    }
