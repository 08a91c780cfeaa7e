"""Which labels are probably wrong, from a classifier's probabilities: confident learning (Northcutt et al. 2021).

An image counts as of class j with confidence if the classifier gives j at least as much as it gives, in the mean, to the
images labeled j. So a classifier that is timid about a class, or everywhere, is met on its own scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelIssues:
    """What is probably wrong among N images.

    Attributes:
        flagged: bool [N].
        likely: int [N], of a flagged the class it probably is of, of others their label.
        confident: int [N], the class that an image is confidently of, −1 where there is none.
    """

    is_label_issue: np.ndarray
    likely: np.ndarray
    confident: np.ndarray


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray, basis: np.ndarray | None = None) -> LabelIssues:
    """Find labels that are probably wrong.

    The confident joint estimates how many images labeled i are of class j. Suspects are those that two ways of
    choosing so many agree on: of each label the images to which the classifier gives it least, and of each pair (i, j)
    those to which it most prefers j (ibid., section 3.2: prune by class, and by noise rate).

    Args:
        probabilities: float [N, C], rows sum to 1, of a classifier that has not trained on these images' labels.
        labels: int [N], each below C.
        basis: bool [N], the images that everything is estimated from and chosen among; None for all. The others
            change no verdict on these, and are flagged where they lie on the side of these flagged images. Where the basis
            has no image of a label, nothing is said of the others.
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    basis = np.ones(len(labels), dtype=bool) if basis is None else np.asarray(basis, dtype=bool)
    confident = confident_class(probabilities, labels, basis)
    wrong = _numbers_wrong(labels[basis], confident[basis], probabilities.shape[1])
    by_class, by_rate = np.zeros(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        own = probabilities[mine, label]
        by_class[mine] = _lowest(own, basis[mine], wrong[label].sum())
        for other in np.flatnonzero(wrong[label]):
            by_rate[mine] |= _lowest(own - probabilities[mine, other], basis[mine], wrong[label, other])
    is_label_issue = by_class & by_rate
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    return LabelIssues(is_label_issue, np.where(is_label_issue, others.argmax(axis=1), labels), confident)


def _lowest(values: np.ndarray, basis: np.ndarray, count: int) -> np.ndarray:
    """The `count` lowest of the basis, of equals the first, and of the others those on their side, bool [N]."""
    order = np.flatnonzero(basis)[np.argsort(values[basis], kind="stable")]
    low = np.zeros(len(values), dtype=bool)
    if count := min(count, len(order)):  # rounded numbers may add up to more
        # half way to the next: at the last of a few the limit would be too strict for the others
        low = ~basis & (values <= values[order[count - 1 : count + 1]].mean())
        low[order[:count]] = True
    return low


def confident_class(probabilities: np.ndarray, labels: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The class that each image is confidently of, int [N], −1 where there is none (ibid., section 3.1)."""
    thresholds = np.full(probabilities.shape[1], np.inf)  # a class nobody claims is nobody's
    for label in np.unique(labels[basis]):
        thresholds[label] = probabilities[basis & (labels == label), label].mean()
    among = np.where(probabilities >= thresholds, probabilities, -1.0)
    # a label without a threshold could only be found wrong
    known = (among.max(axis=1, initial=-1.0) >= 0) & np.isfinite(thresholds)[labels]
    return np.where(known, among.argmax(axis=1), -1)


def _numbers_wrong(labels: np.ndarray, confident: np.ndarray, classes: int) -> np.ndarray:
    """How many images labeled i are estimated to be of class j, int [C, C], 0 where i = j.

    The confident joint, each row scaled to the label's number of images (ibid., equation 2).
    """
    joint = np.zeros((classes, classes))
    sure = confident >= 0
    np.add.at(joint, (labels[sure], confident[sure]), 1)
    scale = np.bincount(labels, minlength=classes) / np.maximum(joint.sum(axis=1), 1)
    numbers = np.rint(joint * scale[:, None]).astype(np.int64)
    np.fill_diagonal(numbers, 0)
    return numbers


def shares_of_wrong(labels: Sequence[str], confident: Sequence[str]) -> tuple[float | None, dict[str, float]]:
    """Estimated share of wrong labels, 0 to 1, of all images (None of no image) and of those of each label.

    From the confident joint: of a label's images that are confidently of any class, the share that is of another;
    over all, weighted by the labels' numbers of images.

    Args:
        labels: [N], the classes' names.
        confident: [N], the name of the class that each is confidently of, empty where there is none.
    """
    labels, confident = np.asarray(labels, dtype=object), np.asarray(confident, dtype=object)
    by_label = {}
    for label in dict.fromkeys(labels):
        mine = (confident != "") & (labels == label)
        by_label[label] = float((confident[mine] != label).mean()) if mine.any() else 0.0
    counts = {label: int((labels == label).sum()) for label in by_label}
    total = sum(counts.values())
    return (sum(by_label[label] * counts[label] for label in counts) / total if total else None), by_label
