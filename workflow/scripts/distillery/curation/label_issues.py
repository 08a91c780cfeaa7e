"""Which labels are probably wrong, from a classifier's probabilities: confident learning (Northcutt et al. 2021).

An image is confidently of class j if its probability of j is at least the mean probability of j over the images labeled
j. So the thresholds adapt to a classifier that gives low probabilities to one class, or to all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelIssues:
    """The labels that are probably wrong among N images.

    Attributes:
        is_label_issue: bool [N], whether the label is probably wrong.
        likely: int [N], the most probable other class of a flagged image, the label of any other.
        confident: int [N], the class that an image is confidently of, −1 if there is none.
    """

    is_label_issue: np.ndarray
    likely: np.ndarray
    confident: np.ndarray


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray, basis: np.ndarray | None = None) -> LabelIssues:
    """Find labels that are probably wrong.

    The confident joint estimates how many images labeled i are of class j. An image is flagged if two ways of choosing
    that many agree on it: prune by class takes, of each label, the images with the lowest probability of that label;
    prune by noise rate takes, of each pair (i, j), the images with the largest margin of j over i (ibid., section 3.2).

    Args:
        probabilities: float [N, C], rows sum to 1, of a classifier that has not trained on these images' labels.
        labels: int [N], each below C.
        basis: bool [N], the images that all thresholds and counts come from; None for all. The other images change no
            result of these. They are flagged if they fall below the same cutoffs; never, if the basis has no image
            of their label.
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    basis = np.ones(len(labels), dtype=bool) if basis is None else np.asarray(basis, dtype=bool)
    confident = confident_class(probabilities, labels, basis)
    error_counts = _estimated_error_counts(labels[basis], confident[basis], probabilities.shape[1])
    by_class, by_rate = np.zeros(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        own = probabilities[mine, label]
        by_class[mine] = _lowest(own, basis[mine], error_counts[label].sum())
        for other in np.flatnonzero(error_counts[label]):
            by_rate[mine] |= _lowest(own - probabilities[mine, other], basis[mine], error_counts[label, other])
    is_label_issue = by_class & by_rate
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    return LabelIssues(is_label_issue, np.where(is_label_issue, others.argmax(axis=1), labels), confident)


def _lowest(values: np.ndarray, basis: np.ndarray, count: int) -> np.ndarray:
    """The `count` lowest values of the basis (the first of equals), and the others' values below the same cutoff.

    Returns:
        bool [N].
    """
    order = np.flatnonzero(basis)[np.argsort(values[basis], kind="stable")]
    low = np.zeros(len(values), dtype=bool)
    if count := min(count, len(order)):  # rounded numbers may add up to more
        # the cutoff is half way to the next value: the last one of a few would be too strict for the others
        low = ~basis & (values <= values[order[count - 1 : count + 1]].mean())
        low[order[:count]] = True
    return low


def confident_class(probabilities: np.ndarray, labels: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The class that each image is confidently of, int [N], −1 if there is none (ibid., section 3.1)."""
    # infinite where the basis has no image of a class: then no image is confidently of it
    thresholds = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels[basis]):
        thresholds[label] = probabilities[basis & (labels == label), label].mean()
    among = np.where(probabilities >= thresholds, probabilities, -1.0)
    # a label without a threshold could only be flagged, never confirmed
    known = (among.max(axis=1, initial=-1.0) >= 0) & np.isfinite(thresholds)[labels]
    return np.where(known, among.argmax(axis=1), -1)


def _estimated_error_counts(labels: np.ndarray, confident: np.ndarray, classes: int) -> np.ndarray:
    """Estimated number of images labeled i that are of class j, int [C, C], 0 where i = j.

    The confident joint, each row scaled to the number of images of its label (ibid., equation 2).
    """
    joint = np.zeros((classes, classes))
    has_class = confident >= 0
    np.add.at(joint, (labels[has_class], confident[has_class]), 1)
    scale = np.bincount(labels, minlength=classes) / np.maximum(joint.sum(axis=1), 1)
    numbers = np.rint(joint * scale[:, None]).astype(np.int64)
    np.fill_diagonal(numbers, 0)
    return numbers


def label_error_rates(labels: Sequence[str], confident: Sequence[str]) -> tuple[float | None, dict[str, float]]:
    """Estimated fraction of wrong labels, 0 to 1: over all images (None without any), and for each label.

    From the confident joint. For a label: among its images that are confidently of some class, the fraction that is of
    another class. Over all: the mean of these, weighted by the number of images of each label.

    Args:
        labels: [N], names of classes.
        confident: [N], name of the class that each image is confidently of, empty if there is none.
    """
    names, found = np.asarray(labels, dtype=object), np.asarray(confident, dtype=object)
    by_label: dict[str, float] = {}
    for label in dict.fromkeys(names.tolist()):
        has_class = (found != "") & (names == label)
        by_label[label] = float((found[has_class] != label).mean()) if has_class.any() else 0.0
    counts = {label: int((names == label).sum()) for label in by_label}
    total = sum(counts.values())
    return (sum(by_label[label] * counts[label] for label in counts) / total if total else None), by_label
