"""Builds the loss function that the training loop calls, from an arm and its teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from distillery.distillation.methods import published_recipe as published
from distillery.distillation.methods.arm import Arm, ModelOutput
from distillery.distillation.methods.stages import stage_shapes
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel
from distillery.models.batchnorm_folding import fold_batchnorm
from distillery.models.weights import AnyNetwork, load_weights
from distillery.training.hardware import arithmetic
from distillery.training.loop import Batch, Objective
from distillery.training.rng import initialization


def objective_of(
    arm: Arm,
    teacher: AnyNetwork | None,
    restrict: Callable[[Tensor], Tensor],
    adapter: nn.Module | None = None,
) -> Objective:
    """The loss function of an arm. In each step the teacher sees exactly the student's views, mixed ones included.

    This is the "consistent" teaching of Beyer et al. (2022). A frozen teacher needs no gradients; the published recipe
    trains the teacher too.

    Args:
        teacher: from `prepare_teacher`; None if the arm uses none.
        restrict: selects the logits of the classes trained on, from `select_classes`.
        adapter: from `make_adapter`, trained together with the student.
    """

    def objective(network: NormalizedModel, batch: Batch) -> Tensor:
        teacher_outputs = None
        if teacher:
            with torch.set_grad_enabled(arm.trains_teacher):
                teacher_outputs = _model_output(arm, teacher, batch.views, restrict)
        student_outputs = _model_output(arm, network, batch.views, restrict)
        if adapter and teacher_outputs:
            mapped, hints = adapter(student_outputs.features, teacher_outputs.features)
            student_outputs = student_outputs._replace(features=mapped)
            teacher_outputs = teacher_outputs._replace(features=hints)
        return arm.loss(student_outputs, teacher_outputs, batch)

    return objective


def _model_output(arm: Arm, network: AnyNetwork, views: Tensor, restrict: Callable[[Tensor], Tensor]) -> ModelOutput:
    if not arm.needs_features:
        return ModelOutput(restrict(network(views)), [])
    assert isinstance(network, NormalizedModel)  # the configuration allows no adopted teacher here
    logits, features = network.outputs(views)
    return ModelOutput(restrict(logits), features)


def make_adapter(
    arm: Arm, network: NormalizedModel, teacher: AnyNetwork | None, side: int, seed: int
) -> nn.Module | None:
    """The trainable adapter of an arm, initialized from the seed, or None if it needs none.

    Args:
        side: of the images, in pixels.

    Raises:
        UserError: the stages of student and teacher do not fit each other.
    """
    if not arm.adapter or not isinstance(teacher, NormalizedModel):
        return None
    shapes = [stage_shapes(each, side) for each in (network, teacher)]
    with initialization(seed, "adapter"):
        adapter = arm.adapter(*shapes)
    return adapter.to(network.mean.device).to(memory_format=torch.channels_last)


def select_classes(trained_classes: Tensor, classes: int) -> Callable[[Tensor], Tensor]:
    """A function from logits [B, C] to the logits of the classes trained on, [B, len(trained_classes)]."""
    if len(trained_classes) == classes:
        return lambda logits: logits
    return lambda logits: logits.index_select(1, trained_classes)


def load_teacher(path: str | Path, classes: Sequence[str], side: int, device: torch.device) -> AnyNetwork:
    """The teacher on the device, frozen and in eval mode.

    Args:
        side: of the students' images, in pixels.

    Raises:
        UserError: the file is damaged, or the teacher has other classes or another image size.
    """
    trained = load_weights(path, classes)
    if trained.image_size != side:
        raise UserError(
            f"teacher {path} was trained on images of {trained.image_size} pixels, but the students' have {side}."
            " Delete it and run again."
        )
    teacher = trained.network.to(device).to(memory_format=torch.channels_last)
    return teacher.requires_grad_(False).eval()


def prepare_teacher(teacher: AnyNetwork, arm: Arm, device: torch.device) -> AnyNetwork:
    """The teacher in the form that an arm needs: trainable if the arm trains it, else a faster frozen copy."""
    if not isinstance(teacher, NormalizedModel):
        return teacher  # adopted: batch norms can be folded only in this library's networks
    if arm.trains_teacher:
        published.unfreeze(teacher)
        return teacher
    return fold_batchnorm(teacher, arithmetic(device))
