"""Stages of two networks: which are compared, and the trainable adapters between them."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn

from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel
from distillery.models.layers import BatchNorm2d, Conv2d
from distillery.training.hardware import autocast

# 31 and 32 pixels, or 3 and 4, are one stage with and without padding; 4 and 8 are two stages
ALIKE = 1.5


def pair_stages(student: Sequence[int], teacher: Sequence[int]) -> list[tuple[int, int]]:
    """Stages with activations of equal or almost equal size, as places (student, teacher), the largest first.

    Of several stages of one size the last counts.

    Args:
        student, teacher: side of each stage's activations, in pixels.

    Raises:
        UserError: no two stages are of a similar size.
    """
    ours, theirs = ({side: place for place, side in enumerate(sides)} for sides in (student, teacher))
    pairs = []
    for side, place in sorted(ours.items(), reverse=True):
        nearest = min(theirs, key=lambda other: abs(log(other / side)), default=0)
        if nearest and max(nearest, side) <= ALIKE * min(nearest, side):
            pairs.append((place, theirs.pop(nearest)))
    if not pairs:
        raise UserError(
            f"the stages of the student have {', '.join(map(str, student))} pixels a side, those of the teacher"
            f" {', '.join(map(str, teacher))}: none are alike. Take another network, or a method that compares logits."
        )
    return pairs


class HintAdapter(nn.Module):
    """The regressor of FitNets: a student's middle stage, mapped to the channels of the teacher's stage of its size.

    A 1x1 convolution (Romero et al. 2015, section 2.3, whose regressor is larger where the sizes differ; here the
    larger activations are averaged down instead) and batch norm, as in Tian et al. (2020): without it a weight of 100
    diverges at usual learning rates.

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
        """The activations of each stage → the student's mapped ones and the teacher's, one of each [B, C, h, w]."""
        return [self.regressor(student[self.guided])], [teacher[self.hint]]


def stage_shapes(network: NormalizedModel, side: int) -> list[torch.Size]:
    """Shapes [1, channels, H, W] of a network's activations for images of a side in pixels; changes nothing in it."""
    device, mode = network.mean.device, network.training
    network.eval()  # batch norm keeps its statistics
    with torch.no_grad(), autocast(device):
        _, features = network.outputs(torch.zeros(1, 3, side, side, device=device))
    network.train(mode)
    return [stage.shape for stage in features]
