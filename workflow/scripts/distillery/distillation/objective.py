"""The loss of an arm as the training loop calls it, with the teacher that it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from distillery.distillation import published_recipe as published
from distillery.distillation.methods import Arm, ModelOutput
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel
from distillery.models.batchnorm_folding import fold_batchnorm
from distillery.models.weights import load_weights
from distillery.training.hardware import arithmetic
from distillery.training.loop import Batch, Objective


def objective_of(arm: Arm, teacher: NormalizedModel | None, restrict: Callable[[Tensor], Tensor]) -> Objective:
    """An arm's loss. The teacher sees exactly the student's views, including mixed ones, within the step.

    This is the "consistent" teaching of Beyer et al. (2022). A frozen teacher needs no gradients; the published teacher
    is trained along with the student.

    Args:
        restrict: selects the logits of the classes trained on, from `select_classes`.
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


def select_classes(trained_classes: Tensor, classes: int) -> Callable[[Tensor], Tensor]:
    """A function from logits [B, C] to the logits of the classes trained on, [B, len(trained_classes)]."""
    if len(trained_classes) == classes:
        return lambda logits: logits
    return lambda logits: logits.index_select(1, trained_classes)


def load_teacher(path: str | Path, classes: Sequence[str], side: int, device: torch.device) -> NormalizedModel:
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


def prepare_teacher(teacher: NormalizedModel, arm: Arm, device: torch.device) -> NormalizedModel:
    """The teacher in the form an arm needs: trainable for the published arms, else a faster frozen copy."""
    if arm.published:
        published.unfreeze(teacher)
        return teacher
    return fold_batchnorm(teacher, arithmetic(device))
