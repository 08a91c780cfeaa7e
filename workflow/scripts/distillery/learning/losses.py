"""What students are trained on: cross-entropy and distillation.

Logits are [B, C] of any float type; every loss is a scalar in nats, the mean over the batch, computed in float32
whatever the autocast, since bfloat16 keeps 8 bits and log-softmax needs more.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(student: Tensor, labels: Tensor) -> Tensor:
    """−log p(label), the mean over the batch.

    Args:
        student: logits [B, C].
        labels: class indices int64 [B], or probabilities [B, C].
    """
    return F.cross_entropy(student.float(), labels)


def kd_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence of the student from the teacher at a temperature (Hinton et al. 2015, section 2, as KL).

    T² · KL(softmax(teacher / T) ‖ softmax(student / T)): zero where both give the same probabilities; T² keeps the size
    of the gradient as T grows.

    Args:
        student: logits [B, C]; gradients flow here.
        teacher: logits [B, C]; constants.
        temperature: T > 0.
    """
    log_student = F.log_softmax(student.float() / temperature, dim=1)
    log_teacher = F.log_softmax(teacher.detach().float() / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def distillation(student: Tensor, teacher: Tensor, labels: Tensor, alpha: float, temperature: float) -> Tensor:
    """(1 − α) · CE(labels) + α · T² · KL(teacher_T ‖ student_T), the arm `kd`.

    Args:
        alpha: share of the teacher, 0 to 1; at 0 this is the arm `scratch`.
    """
    return (1 - alpha) * cross_entropy(student, labels) + alpha * kd_loss(student, teacher, temperature)
