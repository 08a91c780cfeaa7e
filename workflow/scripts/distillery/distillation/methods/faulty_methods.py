"""Methods with faults of the published recipe."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor

from distillery.distillation.methods.arm import Arm, ModelOutput, teacher_given
from distillery.distillation.methods.label_methods import CrossEntropy
from distillery.distillation.methods.logit_methods import KD
from distillery.distillation.methods.losses import cross_entropy, divergence
from distillery.distillation.methods.published_recipe import FAULTS, SCRATCH_FAULTS, double_softmax_loss, first_softmax
from distillery.training.loop import Batch


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
        student, teacher = _faulty(student, self.faults), _faulty(teacher_given(teacher), self.faults)
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
        return double_softmax_loss(student.logits, teacher_given(teacher).logits, batch.targets)
