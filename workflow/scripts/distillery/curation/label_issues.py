"""Find labels that are probably wrong from a classifier's probabilities: confident learning (Northcutt et al. 2021).

An image is confidently of class j if its probability of j is at least the mean probability of j over the images labeled
j. So the thresholds adapt to classifiers that give low probabilities to one class, or to all.
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
        likely: int [N], the most probable other class of a flagged image; the label of an image that is not flagged.
        confident: int [N], the class that an image is confidently of; −1 if there is none.
    """

    is_label_issue: np.ndarray
    likely: np.ndarray
    confident: np.ndarray


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray, basis: np.ndarray | None = None) -> LabelIssues:
    """Find labels that are probably wrong.

    The confident joint estimates how many images labeled i are of class j. An image is flagged if both of these methods
    select it (Northcutt et al. 2021, section 3.2). Prune by class selects, for each label, that many images with the
    lowest probability of the label. Prune by noise rate selects, for each pair (i, j), that many images with the
    largest margin of j over i.

    Args:
        probabilities: float [N, C], rows sum to 1, of a classifier that was not trained on these images' labels.
        labels: int [N], each below C.
        basis: bool [N], the images from which all thresholds and counts are computed; None for all. The other images
            do not change the results of the basis. They are flagged by the same cutoffs, and never if the basis has no
            image of their label.
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    basis = np.ones(len(labels), dtype=bool) if basis is None else np.asarray(basis, dtype=bool)
    confident = confident_class(probabilities, labels, basis)
    error_counts = _estimated_error_counts(labels[basis], confident[basis], probabilities.shape[1])
    by_class, by_rate = np.zeros(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        of_label = probabilities[rows, label]
        by_class[rows] = _lowest(of_label, basis[rows], error_counts[label].sum())
        for other in np.flatnonzero(error_counts[label]):
            margin = of_label - probabilities[rows, other]
            by_rate[rows] |= _lowest(margin, basis[rows], error_counts[label, other])
    is_label_issue = by_class & by_rate
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    return LabelIssues(is_label_issue, np.where(is_label_issue, others.argmax(axis=1), labels), confident)


def _lowest(values: np.ndarray, basis: np.ndarray, count: int) -> np.ndarray:
    """Select the `count` lowest values of the basis (the first of equal ones), and other values below the same cutoff.

    Returns:
        bool [N].
    """
    order = np.flatnonzero(basis)[np.argsort(values[basis], kind="stable")]
    low = np.zeros(len(values), dtype=bool)
    if count := min(count, len(order)):  # rounded counts may add up to more than there are images
        # the cutoff is halfway to the next value; the last selected one of a few would be too strict for others
        low = ~basis & (values <= values[order[count - 1 : count + 1]].mean())
        low[order[:count]] = True
    return low


def confident_class(probabilities: np.ndarray, labels: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The class that each image is confidently of: int [N], −1 if there is none (Northcutt et al. 2021, section 3.1).

    Args:
        probabilities, labels, basis: see `find_label_issues`.
    """
    # infinite for a class without an image in the basis, so that no image is confidently of it
    thresholds = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels[basis]):
        thresholds[label] = probabilities[basis & (labels == label), label].mean()
    among = np.where(probabilities >= thresholds, probabilities, -1.0)
    # images of a label without a threshold get no class: they could only be flagged, never confirmed
    known = (among.max(axis=1, initial=-1.0) >= 0) & np.isfinite(thresholds)[labels]
    return np.where(known, among.argmax(axis=1), -1)


def _estimated_error_counts(labels: np.ndarray, confident: np.ndarray, classes: int) -> np.ndarray:
    """The estimated number of images labeled i that are of class j: int [C, C], 0 where i = j.

    The confident joint, with each row scaled to the number of images of its label (Northcutt et al. 2021, equation 2).
    """
    joint = np.zeros((classes, classes))
    has_class = confident >= 0
    np.add.at(joint, (labels[has_class], confident[has_class]), 1)
    scale = np.bincount(labels, minlength=classes) / np.maximum(joint.sum(axis=1), 1)
    numbers = np.rint(joint * scale[:, None]).astype(np.int64)
    np.fill_diagonal(numbers, 0)
    return numbers


def label_error_rates(labels: Sequence[str], confident: Sequence[str]) -> tuple[float | None, dict[str, float]]:
    """The estimated fraction of wrong labels, 0 to 1: over all images (None without images), and for each label.

    For each label it is the fraction of images that are confidently of another class, among the images that are
    confidently of some class. The fraction over all images is the mean of these, weighted by the number of images of
    each label.

    Args:
        labels: [N], names of classes.
        confident: [N], name of the class that each image is confidently of; empty if there is none.
    """
    names, found = np.asarray(labels, dtype=object), np.asarray(confident, dtype=object)
    by_label: dict[str, float] = {}
    for label in dict.fromkeys(names.tolist()):
        has_class = (found != "") & (names == label)
        by_label[label] = float((found[has_class] != label).mean()) if has_class.any() else 0.0
    counts = {label: int((names == label).sum()) for label in by_label}
    total = sum(counts.values())
    return (sum(by_label[label] * counts[label] for label in counts) / total if total else None), by_label
