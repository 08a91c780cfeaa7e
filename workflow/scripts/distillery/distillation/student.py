"""Training the student of one scenario, arm and seed; `student_evaluation.py` tests it.

All arms of one seed start from the same initialization. If they train on the same images, they also see the same order
and views. So they differ in the loss alone. An arm with its own grid also differs in learning rate and weight decay, an
arm with faults in its recipe (`published_recipe.py`).

A scenario may train on fewer classes than the study has. Its students keep the study's C logits, so that the
predictions of all runs fit one table. But every softmax, of student and teacher, is over the trained classes only: the
other logits get no gradient, and they have probability 0 in the test.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distillery.distillation.methods import published_recipe as published
from distillery.distillation.methods.arm import Arm
from distillery.distillation.objective import (
    load_teacher,
    make_adapter,
    objective_of,
    prepare_teacher,
    select_classes,
)
from distillery.distillation.scenario_data import ScenarioData
from distillery.jobs import log
from distillery.models.adopted import runs_on_cpu
from distillery.models.architectures import NormalizedModel
from distillery.models.weights import TrainedNetwork, save_weights
from distillery.storage.files import atomic_write, hash_files
from distillery.training.checkpoints import Checkpoint, digest, training_fingerprint
from distillery.training.data.dataset import ImageDataset
from distillery.training.hardware import choose_device
from distillery.training.loop import optimizer_of, start_network, train
from distillery.training.optimizers.optimizer import Optimizer
from distillery.training.prediction import fraction, predict_classes
from distillery.training.recipe import Recipe
from distillery.training.run_files import HistoryRow, RunName, write_history


@dataclass(frozen=True)
class TrainedStudent:
    """A trained student with its history and the facts of its training."""

    trained: TrainedNetwork
    history: list[HistoryRow]
    facts: dict[str, Any]

    def save(self, weights: str | Path, history: str | Path, training: str | Path) -> None:
        """Write the training's three files; `training` gets the facts as JSON."""
        write_history(history, self.history)
        save_weights(weights, self.trained)
        atomic_write(training, json.dumps(self.facts, indent=2) + "\n")


def train_student(
    data: ScenarioData,
    teacher: str | Path,
    *,
    run: RunName,
    arm: Arm,
    recipe: Recipe,
    augment: str,
    checkpoints: str | Path,
    threads: int = 0,
    deterministic: bool = False,
) -> TrainedStudent:
    """Train one student.

    Args:
        teacher: weights file; read only if the arm uses a teacher.
        run: its seed determines initialization, order and views.
        augment: how the copies were augmented, for the facts.
        checkpoints: folder of the run's own checkpoint, from which a killed training resumes.

    Raises:
        UserError: a file is damaged, the teacher has other classes or another image size, or the loss is not finite.
    """
    data, recipe = _with_faults(arm, data, recipe)
    device = choose_device(threads, deterministic)
    network, history = fit_student(data, arm, recipe, teacher, run.seed, checkpoints, device, str(run))
    facts = {
        **run._asdict(),
        "network": recipe.network,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "steps": recipe.steps,
        "batch": recipe.batch,
        "lr": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "augment": augment,
        "n_train": len(data.train),
        "n_train_unique": int((~data.train.augmented).sum()),
        "n_classes": len(data.trained_classes),
        "classes": [data.classes[label] for label in data.trained_classes.tolist()],
        "val_accuracy": history[-1].val_accuracy,
    }
    side = data.train.pixels.shape[-1]
    trained = TrainedNetwork(network, recipe.network, data.classes, side, "student", recipe.steps)
    return TrainedStudent(trained, history, facts)


def _with_faults(arm: Arm, data: ScenarioData, recipe: Recipe) -> tuple[ScenarioData, Recipe]:
    """Train images and recipe of an arm: the study's own, changed by the arm's faults."""
    if "class_ordered" in arm.faults:
        data = replace(data, train=published.first_of_class_order(data.train))
    return data, published.faulty_recipe(recipe, arm.faults, len(data.train), arm.uses_teacher)


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
    """Train a student on the train images, and measure its accuracy on the validation images.

    Args:
        checkpoints: folder of the checkpoint. It also keeps the finished training, so that it is not repeated.
        keep_weights: whether the finished training keeps its weights. Otherwise it keeps only the history, and a
            repeated call returns this history with an untrained network.
    """
    network = start_network(recipe, len(data.classes), data.train, seed, device)
    side = data.train.pixels.shape[-1]
    teacher = load_teacher(teacher_path, data.classes, side, device) if arm.uses_teacher else None
    if teacher:
        teacher = prepare_teacher(teacher, arm, device)
    adapter = make_adapter(arm, network, teacher, side, seed)
    checkpoint = _checkpoint(arm, recipe, seed, data, teacher_path, checkpoints, device, keep_weights)
    restrict = select_classes(data.trained_classes.to(device), len(data.classes))
    history = train(
        network,
        replace(data.train, labels=torch.searchsorted(data.trained_classes, data.train.labels)),
        recipe,
        objective_of(arm, teacher, restrict, adapter),
        _optimizer(arm, recipe, network, teacher, adapter),
        seed=seed,
        classes=len(data.trained_classes),
        validate=lambda network: _accuracy(network, data.val, data.trained_classes),
        checkpoint=checkpoint,
        label=label,
        adapter=adapter,
        recordable=not (teacher and runs_on_cpu(teacher)),
    )
    return network, history


def _optimizer(
    arm: Arm, recipe: Recipe, network: nn.Module, teacher: nn.Module | None, adapter: nn.Module | None
) -> Optimizer:
    if "optimizer" in arm.faults:
        return published.optimizer_without_momentum(network, teacher, arm.trains_teacher)
    trained = [network, *([adapter] if adapter else []), *([teacher] if teacher and arm.trains_teacher else [])]
    return optimizer_of(recipe, nn.ModuleList(trained) if len(trained) > 1 else network)


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
    if arm.trains_teacher:
        # checkpoints hold no teacher, and this one is trained too; arms with faults are short
        log.info("no checkpoints before the end, because this method also trains the teacher")
        every = 0
    settings = {
        "arm": {"method": arm.method, **asdict(arm)},
        "seed": seed,
        "classes": list(data.classes),
        "teacher": hash_files([teacher_path]) if arm.uses_teacher else "",
        "keep_weights": keep_weights,
        **training_fingerprint(recipe, device),
    }
    # the validation images count too, since the history has their accuracy
    images = [part for dataset in (data.train, data.val) for part in (dataset.pixels, dataset.labels)]
    return Checkpoint(
        Path(folder) / "checkpoint.pt", digest(settings, data.trained_classes, *images), every, keep_weights
    )


def _accuracy(network: nn.Module, images: ImageDataset, trained_classes: Tensor) -> float | None:
    _, predicted = predict_classes(network, images.pixels, trained_classes)
    return fraction(predicted == images.labels.numpy())
