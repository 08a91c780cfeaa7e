"""Losses: cross-entropy on the labels, and several distillation losses.

Logits are [B, C] of any float type. Every loss is a scalar, the mean over the batch, in nats if it is an entropy or a
divergence. All are computed in float32 also under autocast, because log-softmax needs more than the 8 significant bits
of bfloat16. Gradients flow to the student; the teacher's outputs are constants.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from distillery.distillation.methods.stages import pair_stages


def cross_entropy(student: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean of −log p(label); with smoothing ε the labels are (1 − ε) · label + ε / C (Szegedy et al. 2016).

    Args:
        student: logits [B, C].
        labels: class indices int64 [B], or probabilities [B, C].
        smoothing: ε, 0 to 1.
    """
    return F.cross_entropy(student.float(), labels, label_smoothing=smoothing)


def kd_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence of the student from the frozen teacher at a temperature (Hinton et al. 2015, section 2, as KL).

    T² · KL(softmax(teacher / T) ‖ softmax(student / T)). It is zero if both give the same probabilities. T² keeps the
    size of the gradient as T grows.

    Args:
        student, teacher: logits [B, C].
        temperature: T > 0.
    """
    return divergence(student, teacher.detach(), temperature)


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """`kd_loss` with gradients to both networks."""
    log_student = F.log_softmax(student.float() / temperature, dim=1)
    log_teacher = F.log_softmax(teacher.float() / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def dkd_loss(student: Tensor, teacher: Tensor, labels: Tensor, alpha: float, beta: float, temperature: float) -> Tensor:
    """Decoupled distillation (Zhao et al. 2022, equation 7): T² · (α · TCKD + β · NCKD).

    TCKD is the divergence of the binary probabilities (the label against all other classes), NCKD the divergence among
    the other classes alone. With α = 1 and β = 1 − the teacher's probability of the label, they sum to `kd_loss`.

    Args:
        student, teacher: logits [B, C], C ≥ 2.
        labels: int64 [B], or probabilities [B, C], whose most likely class is the label.
        temperature: T > 0.
    """
    labels = labels.argmax(dim=1) if labels.dim() == 2 else labels
    of_student, of_teacher = (
        _decoupled(logits / temperature, labels) for logits in (student.float(), teacher.detach().float())
    )
    tckd, nckd = (
        F.kl_div(predicted, target, reduction="batchmean", log_target=True)
        for predicted, target in zip(of_student, of_teacher, strict=True)
    )
    return temperature**2 * (alpha * tckd + beta * nckd)


def _decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the label against all other classes [B, 2], and among the other classes [B, C − 1]."""
    index = torch.arange(logits.shape[1] - 1, device=logits.device)
    index = index + (index >= labels[:, None])  # all classes but the label
    target, others = logits.gather(1, labels[:, None]), logits.gather(1, index)
    binary = torch.cat([target, others.logsumexp(dim=1, keepdim=True)], dim=1)
    return F.log_softmax(binary, dim=1), F.log_softmax(others, dim=1)


def dist_loss(student: Tensor, teacher: Tensor, beta: float, gamma: float, temperature: float) -> Tensor:
    """Distillation of relations (DIST, Huang et al. 2022, equations 8 to 10): T² · (β · inter + γ · intra).

    Both terms are 1 − Pearson's correlation of the student's and the teacher's probabilities. `inter` correlates over
    the classes and averages over the images; `intra` correlates over the batch's images and averages over the classes.
    Zero if the probabilities agree up to shift and scale.

    Args:
        student, teacher: logits [B, C].
        temperature: T > 0.
    """
    of_student, of_teacher = (F.softmax(logits.float() / temperature, dim=1) for logits in (student, teacher.detach()))
    inter, intra = (1 - _correlation(of_student, of_teacher, dim).mean() for dim in (1, 0))
    return temperature**2 * (beta * inter + gamma * intra)


def _correlation(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Pearson's correlation along one of two dimensions."""
    a, b = (values - values.mean(dim=dim, keepdim=True) for values in (a, b))
    return F.cosine_similarity(a, b, dim=dim)


def standardized(logits: Tensor) -> Tensor:
    """Scale each image's logits to mean 0 and standard deviation 1 (Sun et al. 2024, algorithm 1): [B, C] → [B, C].

    A student then has to match the order and proportions of the teacher's logits, not their scale.
    """
    logits = logits.float()
    return (logits - logits.mean(dim=1, keepdim=True)) / (logits.std(dim=1, keepdim=True) + 1e-7)


def attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Attention transfer (Zagoruyko and Komodakis 2017, equation 2, without its factor β).

    The sum over pairs of stages of the mean squared difference of attention maps. An attention map is the mean over
    channels of squared activations, as a vector of norm 1. Stages of equal size are paired, as in the authors'
    networks; of almost equal sizes, such as 31 and 32 pixels, the larger activations are averaged down.

    Args:
        student, teacher: activations of each stage [B, channels, H, W].

    Raises:
        UserError: no two stages are of a similar size.
    """
    stages = pair_stages([stage.shape[-1] for stage in student], [stage.shape[-1] for stage in teacher])
    pairs = [(student[i], teacher[j].detach()) for i, j in stages]
    return functools.reduce(operator.add, ((_attention(a, b) - _attention(b, a)).square().mean() for a, b in pairs))


def hint_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Hints of FitNets (Romero et al. 2015, equation 3), as the mean over elements instead of half their sum.

    Args:
        student: mapped activations [B, C, h, w].
        teacher: activations [B, C, H, W]. If the sizes differ, the larger activations are averaged down.
    """
    size = _smaller_size(student, teacher)
    return (_averaged(student.float(), size) - _averaged(teacher.detach().float(), size)).square().mean()


def _attention(features: Tensor, other: Tensor) -> Tensor:
    """The attention map of `features` [B, h · w], where h and w are the smaller sizes of both activations."""
    pooled = _averaged(features.float(), _smaller_size(features, other))
    return F.normalize(pooled.square().mean(dim=1).flatten(1))


def _smaller_size(a: Tensor, b: Tensor) -> list[int]:
    return [min(sides) for sides in zip(a.shape[2:], b.shape[2:], strict=True)]


def _averaged(features: Tensor, size: list[int]) -> Tensor:
    """`adaptive_avg_pool2d` to size [h, w], but with a gradient that is deterministic on a GPU."""
    height, width = features.shape[2:]
    if [height, width] == size:
        return features
    if height % size[0] or width % size[1]:
        return _averaged_by_matrices(features, *size)
    return F.avg_pool2d(features, (height // size[0], width // size[1]))


def _averaged_by_matrices(features: Tensor, height: int, width: int) -> Tensor:
    """The means of the windows as products with two constant matrices, one for rows and one for columns."""
    pixels = features.permute(0, 2, 3, 1)  # channels last, as in memory
    with torch.autocast(features.device.type, enabled=False):  # else the products would be in bfloat16
        rows = (_windows(pixels.shape[1], height, features) @ pixels.flatten(2)).unflatten(2, pixels.shape[2:])
        return (_windows(pixels.shape[2], width, features) @ rows).permute(0, 3, 1, 2)


def _windows(length: int, count: int, like: Tensor) -> Tensor:
    """[count, length]: in row i, 1 / the size of window i at its places, 0 at the others."""
    place, window = torch.arange(length, device=like.device), torch.arange(count, device=like.device)[:, None]
    # window i starts at ⌊i · length / count⌋ and ends before ⌈(i + 1) · length / count⌉
    inside = (window * length // count <= place) & (place * count < (window + 1) * length)
    return inside.to(like.dtype) / inside.sum(dim=1, keepdim=True)
