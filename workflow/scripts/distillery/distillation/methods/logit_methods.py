"""Methods that distill a teacher's logits."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from distillery.distillation.methods.arm import Arm, ModelOutput, teacher_given
from distillery.distillation.methods.losses import cross_entropy, dist_loss, dkd_loss, kd_loss, standardized
from distillery.training.loop import Batch


@dataclass(frozen=True)
class KD(Arm):
    """(1 − α) · CE(labels) + α · T² · KL(teacher_T ‖ student_T) (Hinton et al. 2015)."""

    method = "kd"
    uses_teacher = True
    alpha: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        soft = kd_loss(student.logits, teacher_given(teacher).logits, self.temperature)
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
            student.logits, teacher_given(teacher).logits, batch.targets, self.alpha, self.beta, self.temperature
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
        relations = dist_loss(student.logits, teacher_given(teacher).logits, self.beta, self.gamma, self.temperature)
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
        soft = kd_loss(standardized(student.logits), standardized(teacher_given(teacher).logits), self.temperature)
        return self.label_weight * cross_entropy(student.logits, batch.targets) + self.teacher_weight * soft


@dataclass(frozen=True)
class HardTeacher(Arm):
    """Control: the teacher's predicted class is a second label; its probabilities are not used."""

    method = "hard_teacher"
    uses_teacher = True
    alpha: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        relabeled = cross_entropy(student.logits, teacher_given(teacher).logits.argmax(dim=1))
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * relabeled
