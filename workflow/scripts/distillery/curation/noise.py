"""Which labels are probably wrong, from a judge's probabilities: confident learning (Northcutt et al. 2021).

A picture counts as of class j with confidence if the judge gives j at least as much as it gives, in the mean, to the
pictures labelled j. So a judge that is timid about a class, or everywhere, is met on its own scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Noise:
    """What is probably wrong among N pictures of C classes.

    Attributes:
        suspect: bool [N], confidently of another class than its label.
        likely: int [N], the class that it is confidently of; its label where there is none.
        sure: bool [N], whether there is one.
    """

    suspect: np.ndarray
    likely: np.ndarray
    sure: np.ndarray


def find_noise(probabilities: np.ndarray, labels: np.ndarray) -> Noise:
    """Estimate which labels are wrong.

    Args:
        probabilities: float [N, C], rows sum to 1, of a judge that has not learnt from these pictures' labels.
        labels: int [N], each below C.
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    thresholds = np.full(classes, np.inf)  # a class nobody claims is nobody's
    for label in np.flatnonzero(counts):
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    sure = confident.max(axis=1, initial=-1.0) >= 0
    likely = np.where(sure, confident.argmax(axis=1), labels)
    return Noise(likely != labels, likely, sure)


def shares_of_wrong(
    labels: Sequence[Any], likely: Sequence[Any], sure: Sequence[bool]
) -> tuple[float | None, dict[Any, float]]:
    """Estimated share of wrong labels, 0 to 1, of all pictures (None of no picture) and of those of each label.

    From the confident joint (ibid., equation 2): of a label's pictures that are confidently of any class, the share
    that is of another; over all, weighted by the labels' numbers of pictures.

    Args:
        labels, likely, sure: [N] each, as `find_noise` takes and gives them, or the classes' names.
    """
    labels, likely, sure = np.asarray(labels), np.asarray(likely), np.asarray(sure, dtype=bool)
    by_label = {}
    for label in np.unique(labels):
        mine = sure & (labels == label)
        by_label[label] = float((likely[mine] != label).mean()) if mine.any() else 0.0
    counts = {label: int((labels == label).sum()) for label in by_label}
    total = sum(counts.values())
    return (sum(by_label[label] * counts[label] for label in counts) / total if total else None), by_label
