"""Pairs stages of student and teacher to compare, and maps between their channels with a trainable adapter."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn

from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel
from distillery.models.layers import BatchNorm2d, Conv2d
from distillery.training.hardware import autocast

# largest ratio of sizes in a pair: 31 and 32 pixels, or 3 and 4, differ only in padding, but 4 and 8 in a stride
ALIKE = 1.5


def pair_stages(student: Sequence[int], teacher: Sequence[int]) -> list[tuple[int, int]]:
    """Index pairs (student, teacher) of stages whose activations have almost the same size, the largest first.

    If a network has several stages of one size, the last is used.

    Args:
        student, teacher: side of each stage's activations, in pixels.

    Raises:
        UserError: no two stages are of a similar size.
    """
    student_stages, teacher_stages = ({side: stage for stage, side in enumerate(sides)} for sides in (student, teacher))
    pairs = []
    for side, stage in sorted(student_stages.items(), reverse=True):
        nearest = min(teacher_stages, key=lambda other: abs(log(other / side)), default=0)
        if nearest and max(nearest, side) <= ALIKE * min(nearest, side):
            pairs.append((stage, teacher_stages.pop(nearest)))
    if not pairs:
        raise UserError(
            f"the stages of the student have {', '.join(map(str, student))} pixels a side, those of the teacher"
            f" {', '.join(map(str, teacher))}: no two are similar. Take another network, or a method that"
            " compares logits."
        )
    return pairs


class HintAdapter(nn.Module):
    """The regressor of FitNets: maps a middle stage of the student to the channels of the teacher's matching stage.

    It is a 1x1 convolution and batch norm, as in Tian et al. (2020). Without batch norm, a loss weight of 100 diverges
    at usual learning rates. Romero et al. (2015, section 2.3) use a larger kernel if the sizes differ; here the larger
    activations are averaged down instead.

    Args:
        student, teacher: shapes [B, channels, H, W] of each stage's activations.
    """

    def __init__(self, student: Sequence[torch.Size], teacher: Sequence[torch.Size]):
        super().__init__()
        pairs = pair_stages([shape[-1] for shape in student], [shape[-1] for shape in teacher])
        self.guided, self.hint = pairs[len(pairs) // 2]
        inputs, outputs = student[self.guided][1], teacher[self.hint][1]
        self.regressor = nn.Sequential(Conv2d(inputs, outputs, 1), BatchNorm2d(outputs))

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Activations of all stages → one pair to compare: the student's, mapped, and the teacher's [B, C, h, w]."""
        return [self.regressor(student[self.guided])], [teacher[self.hint]]


def stage_shapes(network: NormalizedModel, side: int) -> list[torch.Size]:
    """Shapes [1, channels, H, W] of each stage's activations for images of `side` pixels; the network is unchanged."""
    device, mode = network.mean.device, network.training
    network.eval()  # so that batch norm keeps its statistics
    with torch.no_grad(), autocast(device):
        _, features = network.outputs(torch.zeros(1, 3, side, side, device=device))
    network.train(mode)
    return [stage.shape for stage in features]
