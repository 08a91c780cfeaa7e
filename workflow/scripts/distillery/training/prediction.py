"""Predictions of a network: logits, accuracy, and the table of predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from distillery.storage.parquet import write_parquet
from distillery.training.data.dataset import ImageDataset
from distillery.training.hardware import autocast
from distillery.training.run_files import predictions_schema

BATCH = {"cpu": 250, "cuda": 2000}  # larger batches are not faster


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """A context in which the network is in eval mode; afterwards it is in its previous mode."""
    mode = network.training
    try:
        yield network.eval()
    finally:
        network.train(mode)


def predict(network: nn.Module, pixels: Tensor) -> Tensor:
    """Logits float32 [N, C] on the CPU, from images uint8 [N, 3, S, S]. The network may be on any device."""
    device = next(network.parameters()).device
    parts = []
    with evaluating(network), torch.inference_mode(), autocast(device):
        for batch in pixels.split(BATCH.get(device.type, 250)):
            views = batch.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255)
            parts.append(network(views).float())
    return torch.cat(parts).cpu() if parts else torch.empty(0, 0)


def predict_classes(
    network: nn.Module, pixels: Tensor, trained_classes: Tensor | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Logits and predicted classes.

    Args:
        pixels: uint8 [N, 3, S, S].
        trained_classes: int64, the classes the network was trained on; None for all. The logits of other classes have
            no meaning and are set to −inf, probability 0.

    Returns:
        float32 [N, C] and int16 [N].
    """
    logits = predict(network, pixels)
    if trained_classes is not None and len(logits):
        untrained = torch.ones(logits.shape[1], dtype=torch.bool)
        untrained[trained_classes] = False
        logits[:, untrained] = -torch.inf
    predicted = logits.argmax(dim=1) if len(logits) else torch.empty(0)
    return logits.numpy(), predicted.numpy().astype(np.int16)


def fraction(correct: np.ndarray) -> float | None:
    """Fraction of correct predictions, 0 to 1, from bool [N]; None if N is 0."""
    return float(correct.mean()) if len(correct) else None


def by_class(correct: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Accuracy, 0 to 1, of each class that has images, in the order of `classes`.

    Args:
        correct: bool [N].
        labels: [N], indices into `classes`.
    """
    of_class = {name: correct[labels == label] for label, name in enumerate(classes)}
    return {name: float(part.mean()) for name, part in of_class.items() if len(part)}


def write_predictions(path: str | Path, images: ImageDataset, logits: np.ndarray, predicted: np.ndarray) -> None:
    """Write one row an image: source, row, label, predicted, logits (float32 [C], −inf for classes not trained on)."""
    columns = {
        "source": images.sources,
        "row": images.rows,
        "label": images.labels.numpy(),
        "predicted": predicted,
        "logits": logits,
    }
    write_parquet(path, columns, predictions_schema(logits.shape[1]))
