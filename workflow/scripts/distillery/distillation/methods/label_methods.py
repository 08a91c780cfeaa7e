"""Methods on the labels alone, without a teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from distillery.distillation.methods.arm import Arm, ModelOutput
from distillery.distillation.methods.losses import cross_entropy, kd_loss
from distillery.training.loop import Batch


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


@dataclass(frozen=True)
class UniformTeacher(Arm):
    """Control: `kd` from a teacher with equal probabilities for all classes, which acts as label smoothing."""

    method = "uniform_teacher"
    alpha: float
    temperature: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        uniform = kd_loss(student.logits, torch.zeros_like(student.logits), self.temperature)
        return (1 - self.alpha) * cross_entropy(student.logits, batch.targets) + self.alpha * uniform
