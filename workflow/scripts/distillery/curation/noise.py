"""Which labels are probably wrong, from a judge's probabilities: confident learning (Northcutt et al. 2021).

A picture counts as of class j with confidence if the judge gives j at least as much as it gives, in the mean, to the
pictures labelled j. So a judge that is timid about a class, or everywhere, is met on its own scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Noise:
    """What is probably wrong among N pictures of C classes.

    Attributes:
        suspect: bool [N], confidently of another class than its label.
        likely: int [N], the class that it is confidently of; its label where there is none.
        share: estimate of the share of wrong labels, 0 to 1; nan without pictures.
        by_class: the same for the pictures of each label, float [C]; nan for a class without pictures.
    """

    suspect: np.ndarray
    likely: np.ndarray
    share: float
    by_class: np.ndarray


def find_noise(probabilities: np.ndarray, labels: np.ndarray) -> Noise:
    """Estimate which labels are wrong, and how many.

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
    return Noise(likely != labels, likely, *_shares(labels[sure], likely[sure], counts))


def _shares(labels: np.ndarray, likely: np.ndarray, counts: np.ndarray) -> tuple[float, np.ndarray]:
    """Shares of wrong labels from the confident joint, each label's row scaled to its number of pictures."""
    joint = np.zeros((len(counts), len(counts)))
    np.add.at(joint, (labels, likely), 1)
    rows = joint.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_class = np.where(rows > 0, 1 - np.diag(joint) / rows, np.where(counts > 0, 0.0, np.nan))
        share = float(np.nansum(by_class * counts) / counts.sum())
    return share, by_class
