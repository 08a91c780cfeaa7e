"""Fit the logit scale of a zero-shot teacher, so that its probabilities match how often it is correct."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distillery.jobs import UserError, log
from distillery.models.adopted import ZeroShotNetwork
from distillery.models.weights import TrainedNetwork, load_weights
from distillery.splits.planned_images import open_pixels
from distillery.storage.parquet import read_parquet
from distillery.training.data.dataset import gather
from distillery.training.hardware import choose_device
from distillery.training.prediction import predict_classes

LOWEST, HIGHEST = 1.0, 1000.0  # bounds of a fitted scale
ROUNDS = 60  # of golden-section search; each multiplies the interval by 0.62, in the end far below float32's precision


def fit_teacher_scale(
    weights: str | Path, splits: str | Path, pixels: Sequence[str | Path], sources: Sequence[str], threads: int = 0
) -> TrainedNetwork:
    """A zero-shot teacher whose logit scale is fitted on the validation images of some sources.

    Args:
        weights: of the teacher with its own scale.
        splits: parquet with columns source, row, label, split.
        pixels: curated `.npy` of each of `sources`.

    Raises:
        UserError: the sources have no validation images.
    """
    trained = load_weights(weights)
    network = with_scale(trained.network, 1.0).to(choose_device(threads))
    table = read_parquet(splits, ["source", "row", "label", "split"])
    here = np.isin(table["source"], list(sources)) & (table["split"] == "val")
    if not here.any():
        raise UserError("teacher.zero_shot.fit_scale: the common sources have no validation images to fit the scale on")
    val = gather(open_pixels(pixels, sources), table["source"][here], table["row"][here], table["label"][here])
    cosines, predicted = predict_classes(network, val.pixels)
    scale = fit_scale(torch.from_numpy(cosines), val.labels)
    accuracy = 100 * float((predicted == val.labels.numpy()).mean())
    log.info("logit scale %.1f, fitted on %d validation images (%.1f %% correct)", scale, len(val), accuracy)
    with_scale(trained.network, scale).cpu()
    return trained


def fit_scale(cosines: Tensor, labels: Tensor) -> float:
    """The logit scale with the smallest cross-entropy (temperature scaling, Guo et al. 2017).

    The loss is convex in the scale, so that golden-section search finds its minimum between `LOWEST` and `HIGHEST`.

    Args:
        cosines: float [N, C], of each image with each class.
        labels: int64 [N].
    """
    values = cosines.double()

    def loss(scale: float) -> float:
        return float(F.cross_entropy(scale * values, labels))

    golden = (5**0.5 - 1) / 2
    low, high = LOWEST, HIGHEST
    for _ in range(ROUNDS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) <= loss(right):
            high = right
        else:
            low = left
    return (low + high) / 2


def with_scale(network: nn.Module, scale: float) -> nn.Module:
    """Set the logit scale of a zero-shot network, in place, and return the network."""
    assert isinstance(network, ZeroShotNetwork)
    network.scale.fill_(scale)
    return network
