"""The methods to train a student: the loss that each minimizes, with settings from the configuration.

An arm's fields are its settings in the configuration. All arms without faults share everything else: the network, its
initialization, the order of the images, the views, the optimizer and the number of steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from distillery.distillation.losses import (
    attention_loss,
    cross_entropy,
    dist_loss,
    divergence,
    dkd_loss,
    hint_loss,
    kd_loss,
    standardized,
)
from distillery.distillation.published_recipe import FAULTS, SCRATCH_FAULTS, double_softmax_loss, first_softmax
from distillery.distillation.stages import HintAdapter
from distillery.jobs import UserError
from distillery.training.loop import Batch


class ModelOutput(NamedTuple):
    """Output of a network for the views of a batch.

    Attributes:
        logits: [B, C], for the classes trained on.
        features: the activations of each stage [B, channels, H, W]; empty unless the arm needs features.
    """

    logits: Tensor
    features: list[Tensor]


@dataclass(frozen=True)
class Arm:
    """A method to train a student, with its settings.

    Attributes:
        method: its name in the configuration.
        uses_teacher: whether the loss needs the teacher's outputs.
        needs_features: whether the loss compares activations, not only logits.
        adapter: the trainable module that makes both networks' activations comparable, if the method needs one.
        faults: the faults of the published recipe that it has; see `published_recipe`.
    """

    method: ClassVar[str]
    uses_teacher: ClassVar[bool] = False
    needs_features: ClassVar[bool] = False
    adapter: ClassVar[type[HintAdapter] | None] = None
    faults = cast(tuple[str, ...], ())  # fixed by the class, or a setting

    @property
    def trains_teacher(self) -> bool:
        """Whether the optimizer also changes the teacher's weights, which is one of the faults."""
        return "trained_teacher" in self.faults

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        """The loss (minimized), a scalar. `teacher` is None if the method uses no teacher."""
        raise NotImplementedError


def _given(teacher: ModelOutput | None) -> ModelOutput:
    """The teacher's outputs, which an arm that uses a teacher always gets."""
    assert teacher is not None
    return teacher


# --- on the labels ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CrossEntropy(Arm):
    """Cross-entropy on the labels alone, without a teacher."""

    method = "ce"

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        return cross_entropy(student.logits, batch.targets)


@dataclass(frozen=True)
class LabelSmoothing(Arm):
    """Control: label smoothing, without a teacher (Szegedy et al. 2016)."""

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
        soft = kd_loss(student.logits, _given(teacher).logits, self.temperature)
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * soft


@dataclass(frozen=True)
class DKD(Arm):
    """CE(labels) + DKD (Zhao et al. 2022), whose weight grows linearly from 0 to 1 over the warm-up."""

    method = "dkd"
    uses_teacher = True
    alpha: float
    beta: float
    temperature: float
    warmup: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        decoupled = dkd_loss(
            student.logits, _given(teacher).logits, batch.targets, self.alpha, self.beta, self.temperature
        )
        return cross_entropy(student.logits, batch.targets) + self._warm(batch.time) * decoupled

    def _warm(self, time: float | Tensor) -> float | Tensor:
        if not self.warmup:
            return 1.0
        weight = time / self.warmup
        return weight.clamp(max=1) if isinstance(weight, Tensor) else min(1.0, weight)


@dataclass(frozen=True)
class DIST(Arm):
    """CE(labels) + DIST (Huang et al. 2022)."""

    method = "dist"
    uses_teacher = True
    beta: float
    gamma: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        relations = dist_loss(student.logits, _given(teacher).logits, self.beta, self.gamma, self.temperature)
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
        soft = kd_loss(standardized(student.logits), standardized(_given(teacher).logits), self.temperature)
        return self.label_weight * cross_entropy(student.logits, batch.targets) + self.teacher_weight * soft


@dataclass(frozen=True)
class AttentionTransfer(Arm):
    """CE(labels) + β · differences of attention maps (Zagoruyko and Komodakis 2017)."""

    method = "attention_transfer"
    uses_teacher = True
    needs_features = True
    beta: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        attention = attention_loss(student.features, _given(teacher).features)
        return cross_entropy(student.logits, batch.targets) + self.beta * attention


@dataclass(frozen=True)
class FitNet(Arm):
    """CE(labels) + β · hint (Romero et al. 2015), both at once as in Tian et al. (2020).

    Romero et al. train with the hint first, then distill. The adapter selects the features that are compared: a middle
    stage of the student, mapped to the teacher's channels, and the teacher's stage of the same size.
    """

    method = "fitnet"
    uses_teacher = True
    needs_features = True
    adapter = HintAdapter
    beta: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        (guided,), (hint,) = student.features, _given(teacher).features
        return cross_entropy(student.logits, batch.targets) + self.beta * hint_loss(guided, hint)


# --- controls: parts of `kd` without the teacher's probabilities ------------------------------------------------------


@dataclass(frozen=True)
class HardTeacher(Arm):
    """Control: the teacher's predicted class is a second label; its probabilities are not used."""

    method = "hard_teacher"
    uses_teacher = True
    alpha: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        relabeled = cross_entropy(student.logits, _given(teacher).logits.argmax(dim=1))
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * relabeled


@dataclass(frozen=True)
class UniformTeacher(Arm):
    """Control: `kd` from a teacher with equal probabilities for all classes, which acts as label smoothing."""

    method = "uniform_teacher"
    alpha: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        uniform = kd_loss(student.logits, torch.zeros_like(student.logits), self.temperature)
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * uniform


# --- with faults of the published recipe ------------------------------------------------------------------------------


def _faulty(output: ModelOutput, faults: Collection[str]) -> ModelOutput:
    """The output with probabilities in place of logits, if the arm has the fault `double_softmax`."""
    return output._replace(logits=first_softmax(output.logits)) if "double_softmax" in faults else output


@dataclass(frozen=True)
class FaultyCrossEntropy(CrossEntropy):
    """From scratch with the study's own recipe and some of the published one's faults."""

    method = "ce_with_faults"
    faults: tuple[str, ...]

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        return super().loss(_faulty(student, self.faults), None, batch)


@dataclass(frozen=True)
class FaultyKD(KD):
    """Distilled with the study's own recipe and some of the published one's faults."""

    method = "kd_with_faults"
    faults: tuple[str, ...]

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        student, teacher = _faulty(student, self.faults), _faulty(_given(teacher), self.faults)
        soft = divergence(student.logits, teacher.logits, self.temperature)  # gradients flow to the teacher too
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * soft


@dataclass(frozen=True)
class PublishedCrossEntropy(CrossEntropy):
    """From scratch with the published recipe."""

    method = "published_ce"
    faults = SCRATCH_FAULTS


@dataclass(frozen=True)
class PublishedKD(Arm):
    """Distilled with the published recipe and loss, from a teacher that is trained together with the student."""

    method = "published_kd"
    uses_teacher = True
    faults = FAULTS

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        return double_softmax_loss(student.logits, _given(teacher).logits, batch.targets)


METHODS: dict[str, type[Arm]] = {
    arm.method: arm
    for arm in (
        *(CrossEntropy, LabelSmoothing),
        *(KD, DKD, DIST, StandardizedKD, AttentionTransfer, FitNet),
        *(HardTeacher, UniformTeacher),
        *(FaultyCrossEntropy, FaultyKD, PublishedCrossEntropy, PublishedKD),
    )
}


def arm_of(section: Mapping[str, Any]) -> Arm:
    """An arm from its section of the configuration.

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
    return METHODS[method](**{name: _value(value) for name, value in settings.items()})


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else float(value)
