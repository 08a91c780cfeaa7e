"""What students are trained on: cross-entropy, and ways to follow a teacher.

Logits are [B, C] of any float type; every loss is a scalar, the mean over the batch, in nats where it is an entropy or
a divergence. All are computed in float32 whatever the autocast, since bfloat16 keeps 8 bits and log-softmax needs more.
Gradients flow to the student; the teacher's values are constants.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(student: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """−log p(label), the mean over the batch; with smoothing ε of labels (1 − ε) · label + ε / C (Szegedy et al. 2016).

    Args:
        student: logits [B, C].
        labels: class indices int64 [B], or probabilities [B, C].
        smoothing: ε, 0 to 1.
    """
    return F.cross_entropy(student.float(), labels, label_smoothing=smoothing)


def kd_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence of the student from the teacher at a temperature (Hinton et al. 2015, section 2, as KL).

    T² · KL(softmax(teacher / T) ‖ softmax(student / T)): zero where both give the same probabilities; T² keeps the size
    of the gradient as T grows.

    Args:
        student, teacher: logits [B, C].
        temperature: T > 0.
    """
    log_student = F.log_softmax(student.float() / temperature, dim=1)
    log_teacher = F.log_softmax(teacher.detach().float() / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def dkd_loss(student: Tensor, teacher: Tensor, labels: Tensor, alpha: float, beta: float, temperature: float) -> Tensor:
    """Decoupled distillation (Zhao et al. 2022, equation 7): T² · (α · TCKD + β · NCKD).

    TCKD is the divergence in how sure both are of the label (the label against all others together), NCKD that among
    the other classes alone. With α = 1 and β = 1 − the teacher's probability of the label, they sum to `kd_loss`.

    Args:
        student, teacher: logits [B, C], C ≥ 2.
        labels: int64 [B], or probabilities [B, C], of which the likeliest is the label.
        temperature: T > 0.
    """
    labels = labels.argmax(dim=1) if labels.dim() == 2 else labels
    ours, theirs = (_decoupled(logits / temperature, labels) for logits in (student.float(), teacher.detach().float()))
    tckd, nckd = (
        F.kl_div(own, other, reduction="batchmean", log_target=True) for own, other in zip(ours, theirs, strict=True)
    )
    return temperature**2 * (alpha * tckd + beta * nckd)


def _decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the label and all others together [B, 2], and of each other class among those [B, C − 1]."""
    place = torch.arange(logits.shape[1] - 1, device=logits.device)
    place = place + (place >= labels[:, None])  # all classes but the label
    target, others = logits.gather(1, labels[:, None]), logits.gather(1, place)
    binary = torch.cat([target, others.logsumexp(dim=1, keepdim=True)], dim=1)
    return F.log_softmax(binary, dim=1), F.log_softmax(others, dim=1)


def dist_loss(student: Tensor, teacher: Tensor, beta: float, gamma: float, temperature: float) -> Tensor:
    """Distillation of relations (DIST, Huang et al. 2022, equations 8 to 10): T² · (β · inter + γ · intra).

    Both are 1 − Pearson's correlation of student's and teacher's probabilities: `inter` over the classes, the mean over
    the images; `intra` over the batch's images, the mean over the classes. Zero where they agree up to scale.

    Args:
        student, teacher: logits [B, C].
        temperature: T > 0.
    """
    ours, theirs = (F.softmax(logits.float() / temperature, dim=1) for logits in (student, teacher.detach()))
    inter, intra = (1 - _correlation(ours, theirs, dim).mean() for dim in (1, 0))
    return temperature**2 * (beta * inter + gamma * intra)


def _correlation(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Pearson's, along one of two dimensions."""
    a, b = (values - values.mean(dim=dim, keepdim=True) for values in (a, b))
    return F.cosine_similarity(a, b, dim=dim)


def standardized(logits: Tensor) -> Tensor:
    """Each image's logits at mean 0 and standard deviation 1 (Sun et al. 2024, algorithm 1): [B, C] → [B, C].

    A student then has to match the teacher's order and proportions, not its size.
    """
    logits = logits.float()
    return (logits - logits.mean(dim=1, keepdim=True)) / (logits.std(dim=1, keepdim=True) + 1e-7)


def attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Attention transfer (Zagoruyko and Komodakis 2017, equation 2, without its factor β).

    The sum over stages of the mean squared difference of attention maps: each the mean over channels of squared
    activations, as a vector of length 1. Stages are paired from the last; the larger of two maps is averaged down to
    the smaller's size, as Tian et al. (2020) do for networks of other strides.

    Args:
        student, teacher: each stage's activations [B, channels, H, W].
    """
    pairs = zip(reversed(student), reversed([stage.detach() for stage in teacher]), strict=False)
    return sum((_attention(a, b) - _attention(b, a)).square().mean() for a, b in pairs)


def _attention(features: Tensor, other: Tensor) -> Tensor:
    """The attention map [B, h · w], h and w the lesser of both activations' sizes."""
    size = [min(sides) for sides in zip(features.shape[2:], other.shape[2:], strict=True)]
    pooled = _averaged(features.float(), size)
    return F.normalize(pooled.square().mean(dim=1).flatten(1))


def _averaged(features: Tensor, size: list[int]) -> Tensor:
    """What `adaptive_avg_pool2d` gives, down to h × w, but with a gradient that is the same each time on a GPU."""
    height, width = features.shape[2:]
    if [height, width] == size:
        return features
    if height % size[0] or width % size[1]:
        return _averaged_by_matrices(features, *size)
    return F.avg_pool2d(features, (height // size[0], width // size[1]))


def _averaged_by_matrices(features: Tensor, height: int, width: int) -> Tensor:
    """The windows' means as products with two constant matrices, one of the rows and one of the columns."""
    pixels = features.permute(0, 2, 3, 1)  # channels last, as they lie in memory
    with torch.autocast(features.device.type, enabled=False):  # or the products are in bfloat16
        rows = (_windows(pixels.shape[1], height, features) @ pixels.flatten(2)).unflatten(2, pixels.shape[2:])
        return (_windows(pixels.shape[2], width, features) @ rows).permute(0, 3, 1, 2)


def _windows(length: int, count: int, like: Tensor) -> Tensor:
    """[count, length]: in row i, 1 / the number of places in window i at each of them, 0 elsewhere."""
    place, window = torch.arange(length, device=like.device), torch.arange(count, device=like.device)[:, None]
    # window i is from ⌊i · length / count⌋ to before ⌈(i + 1) · length / count⌉
    inside = (window * length // count <= place) & (place * count < (window + 1) * length)
    return inside.to(like.dtype) / inside.sum(dim=1, keepdim=True)
