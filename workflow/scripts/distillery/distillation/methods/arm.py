"""What all methods to train a student share. An arm's fields are its settings in the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

from torch import Tensor

from distillery.distillation.methods.stages import HintAdapter
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


def teacher_given(teacher: ModelOutput | None) -> ModelOutput:
    """The teacher's outputs, which an arm that uses a teacher always gets."""
    assert teacher is not None
    return teacher
