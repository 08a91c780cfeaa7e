"""Pairs the predictions of two (scenario, arm) by seed and test image, and estimates the error of their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from distillery.analysis.declared_tests import Sides
from distillery.analysis.designs.run_design import NO_DESIGN, RunDesign, over_runs
from distillery.analysis.error_model import ErrorModel, combine_variances, over_images
from distillery.analysis.run_predictions import TestPredictions
from distillery.jobs import UserError


@dataclass(frozen=True)
class Pairs:
    """The predictions of both sides for the seeds and images that they share.

    Attributes:
        before, after: bool [S, N], whether a prediction is correct.
        groups: [N], near-duplicate group of each image.
        seeds: int [S], ascending.
    """

    before: np.ndarray
    after: np.ndarray
    groups: np.ndarray
    seeds: np.ndarray


def aligned(before: TestPredictions, after: TestPredictions, groups: pd.Series, sides: Sides) -> Pairs:
    """The predictions of both sides, paired.

    Args:
        before, after: test predictions.
        groups: near-duplicate group of every image, by (source, row).
        sides: their names, for messages.

    Raises:
        UserError: they share no seed or no test image, or an image has no group.
    """
    seeds, first, second = np.intersect1d(before.seeds, after.seeds, return_indices=True)
    where = after.places.get_indexer(before.places)
    shared = where >= 0
    if not len(seeds) or not shared.any():
        raise UserError(
            f"{' '.join(sides.versus)} and {' '.join(sides.after)} share no seed or no test image,"
            " so they cannot be compared. Remove the comparison, or run them again."
        )
    names = groups.reindex(before.places[shared])
    if names.isna().any():
        raise UserError("results/splits.parquet lacks test images of the runs. Delete results/runs and run again.")
    return Pairs(before.correct[first][:, shared], after.correct[second][:, where[shared]], names.to_numpy(), seeds)


def paired_error(
    before: np.ndarray, after: np.ndarray, groups: np.ndarray, seeds: np.ndarray, design: RunDesign = NO_DESIGN
) -> ErrorModel:
    """The error of the difference `after` − `before`, percentage points, over other runs and test images.

    Args:
        before, after, groups, seeds: as in `Pairs`.
        design: which runs share a teacher or a draw of train images.
    """
    runs = over_runs(accuracy_differences(before, after), seeds, design)
    change = (after.astype(np.int64) - before).mean(axis=0)
    return combine_variances(runs, over_images(100 * change, groups, unit=100))


def accuracy_differences(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Accuracy of `after` − accuracy of `before`, percentage points [S].

    Args:
        before, after: as in `Pairs`.
    """
    accuracies = [100 * side.sum(axis=1) / side.shape[1] for side in (before, after)]
    return accuracies[1] - accuracies[0]
