"""The ways to train a student: what each makes small, in settings that the configuration gives.

An arm's fields are its settings in the configuration. All arms but the published ones share everything else: the
network, its initialization, the order, the views, the optimizer and the number of steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from distillery.distillation.losses import (
    attention_loss,
    cross_entropy,
    dist_loss,
    dkd_loss,
    kd_loss,
    standardized,
)
from distillery.distillation.published_recipe import double_softmax_loss
from distillery.jobs import UserError
from distillery.training.loop import Batch


class ModelOutput(NamedTuple):
    """What a network says of a batch's views.

    Attributes:
        logits: [B, C], of the classes trained on.
        features: the activations of each stage [B, channels, H, W]; none where the arm does not ask for them.
    """

    logits: Tensor
    features: list[Tensor]


@dataclass(frozen=True)
class Arm:
    """A way to train a student.

    Attributes:
        method: its name in the configuration.
        uses_teacher: whether the teacher is asked.
        needs_features: whether activations are compared, not logits alone.
        published: whether it has the published recipe's faults.
    """

    method: ClassVar[str]
    uses_teacher: ClassVar[bool] = False
    needs_features: ClassVar[bool] = False
    published: ClassVar[bool] = False

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        """The loss (minimized), a scalar. `teacher` is None if the method uses no teacher."""
        raise NotImplementedError


# --- on the labels ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CrossEntropy(Arm):
    """The labels alone: from scratch."""

    method = "ce"

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        return cross_entropy(student.logits, batch.targets)


@dataclass(frozen=True)
class LabelSmoothing(Arm):
    """Control: softened labels, without any teacher (Szegedy et al. 2016)."""

    method = "label_smoothing"
    smoothing: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        return cross_entropy(student.logits, batch.targets, self.smoothing)


# --- from the teacher -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KD(Arm):
    """(1 − α) · CE(labels) + α · T² · KL(teacher_T ‖ student_T) (Hinton et al. 2015)."""

    method = "kd"
    uses_teacher = True
    alpha: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        soft = kd_loss(student.logits, teacher.logits, self.temperature)
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * soft


@dataclass(frozen=True)
class DKD(Arm):
    """CE(labels) + DKD (Zhao et al. 2022), which grows in a line from 0 over the warm-up, a twelfth of the steps."""

    method = "dkd"
    uses_teacher = True
    alpha: float
    beta: float
    temperature: float
    warmup: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        decoupled = dkd_loss(student.logits, teacher.logits, batch.targets, self.alpha, self.beta, self.temperature)
        return cross_entropy(student.logits, batch.targets) + self._warm(batch.time) * decoupled

    def _warm(self, time: float | Tensor) -> float | Tensor:
        if not self.warmup:
            return 1.0
        share = time / self.warmup
        return share.clamp(max=1) if isinstance(share, Tensor) else min(1.0, share)


@dataclass(frozen=True)
class DIST(Arm):
    """CE(labels) + DIST (Huang et al. 2022)."""

    method = "dist"
    uses_teacher = True
    beta: float
    gamma: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        relations = dist_loss(student.logits, teacher.logits, self.beta, self.gamma, self.temperature)
        return cross_entropy(student.logits, batch.targets) + relations


@dataclass(frozen=True)
class StandardizedKD(Arm):
    """w · CE(labels) + v · T² · KL of standardized logits (Sun et al. 2024)."""

    method = "kd_standardized"
    uses_teacher = True
    label_weight: float
    teacher_weight: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        soft = kd_loss(standardized(student.logits), standardized(teacher.logits), self.temperature)
        return self.label_weight * cross_entropy(student.logits, batch.targets) + self.teacher_weight * soft


@dataclass(frozen=True)
class AttentionTransfer(Arm):
    """CE(labels) + β · differences of attention maps (Zagoruyko and Komodakis 2017)."""

    method = "attention_transfer"
    uses_teacher = True
    needs_features = True
    beta: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        attention = attention_loss(student.features, teacher.features)
        return cross_entropy(student.logits, batch.targets) + self.beta * attention


# --- controls: what `kd` does without the teacher's probabilities -----------------------------------------------------


@dataclass(frozen=True)
class HardTeacher(Arm):
    """Control: the teacher's choice as a label; of what it knows, the relabeling alone."""

    method = "hard_teacher"
    uses_teacher = True
    alpha: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        relabeled = cross_entropy(student.logits, teacher.logits.argmax(dim=1))
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * relabeled


@dataclass(frozen=True)
class UniformTeacher(Arm):
    """Control: `kd` from a teacher that holds all classes equally likely; the smoothing alone."""

    method = "uniform_teacher"
    alpha: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        uniform = kd_loss(student.logits, torch.zeros_like(student.logits), self.temperature)
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * uniform


# --- the published ones -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PublishedCrossEntropy(CrossEntropy):
    """From scratch with the published recipe."""

    method = "published_ce"
    published = True


@dataclass(frozen=True)
class PublishedKD(Arm):
    """Distilled with the published recipe and loss, from a teacher that learns along."""

    method = "published_kd"
    uses_teacher = True
    published = True

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        return double_softmax_loss(student.logits, teacher.logits, batch.targets)


ARMS = (
    *(CrossEntropy, LabelSmoothing),
    *(KD, DKD, DIST, StandardizedKD, AttentionTransfer),
    *(HardTeacher, UniformTeacher),
    *(PublishedCrossEntropy, PublishedKD),
)
METHODS = {arm.method: arm for arm in ARMS}


def arm_of(section: Mapping[str, Any]) -> Arm:
    """An arm of the configuration.

    Raises:
        UserError: the method or one of its settings is unknown, or a setting is missing.
    """
    settings = dict(section)
    method = settings.pop("method")
    if method not in METHODS:
        raise UserError(f"arm: method {method!r} is unknown; choose one of {', '.join(METHODS)}")
    known = [field.name for field in fields(METHODS[method])]
    if unknown := sorted(set(settings) - set(known)):
        raise UserError(f"arm: {method} has no {', '.join(unknown)}; it has {', '.join(known) or 'no settings'}")
    if missing := [name for name in known if name not in settings]:
        raise UserError(f"arm: {method} needs {', '.join(missing)}")
    return METHODS[method](**{name: float(value) for name, value in settings.items()})
