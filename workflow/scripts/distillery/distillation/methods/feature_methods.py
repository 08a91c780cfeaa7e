"""Methods that distill a teacher's activations."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from distillery.distillation.methods.arm import Arm, ModelOutput, teacher_given
from distillery.distillation.methods.losses import attention_loss, cross_entropy, hint_loss
from distillery.distillation.methods.stages import HintAdapter
from distillery.training.loop import Batch


@dataclass(frozen=True)
class AttentionTransfer(Arm):
    """CE(labels) + β · differences of attention maps (Zagoruyko and Komodakis 2017)."""

    method = "attention_transfer"
    uses_teacher = True
    needs_features = True
    beta: float

    def loss(self, student: ModelOutput, teacher: ModelOutput | None, batch: Batch) -> Tensor:
        attention = attention_loss(student.features, teacher_given(teacher).features)
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
        (guided,), (hint,) = student.features, teacher_given(teacher).features
        return cross_entropy(student.logits, batch.targets) + self.beta * hint_loss(guided, hint)
