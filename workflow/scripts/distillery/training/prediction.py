"""What a network says of images: logits, which of them are right, and the table that keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from distillery.storage.parquet import write_parquet
from distillery.training.dataset import ImageDataset
from distillery.training.hardware import autocast

BATCH = {"cpu": 250, "cuda": 2000}  # larger ones are no faster


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """The network in eval mode; afterwards in the mode it was in."""
    mode = network.training
    try:
        yield network.eval()
    finally:
        network.train(mode)


def predict(network: nn.Module, pixels: Tensor) -> Tensor:
    """Logits float32 [N, C], on the CPU, of images uint8 [N, 3, S, S], wherever the network is."""
    device = next(network.parameters()).device
    parts = []
    with evaluating(network), torch.inference_mode(), autocast(device):
        for batch in pixels.split(BATCH.get(device.type, 250)):
            views = batch.to(device).to(torch.float32, memory_format=torch.channels_last).div_(255)
            parts.append(network(views).float())
    return torch.cat(parts).cpu() if parts else torch.empty(0, 0)


def predict_classes(network: nn.Module, pixels: Tensor, trained: Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Logits and the class they favor.

    Args:
        trained: int64, the classes the network was trained on, if not all. The others' logits mean nothing and become
            −inf, probability 0.

    Returns:
        float32 [N, C] and int16 [N].
    """
    logits = predict(network, pixels)
    if trained is not None and len(logits):
        strange = torch.ones(logits.shape[1], dtype=torch.bool)
        strange[trained] = False
        logits[:, strange] = -torch.inf
    favored = logits.argmax(dim=1) if len(logits) else torch.empty(0)
    return logits.numpy(), favored.numpy().astype(np.int16)


def fraction(correct: np.ndarray) -> float | None:
    """The mean of bool [N], 0 to 1; None of no image."""
    return float(correct.mean()) if len(correct) else None


def by_class(correct: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """Accuracy, 0 to 1, of each class that has images, in the study's order.

    Args:
        right: bool [N].
        labels: [N], indices into `classes`.
    """
    return {name: fraction(correct[labels == label]) for label, name in enumerate(classes) if (labels == label).any()}


def write_predictions(path: str | Path, images: ImageDataset, logits: np.ndarray, predicted: np.ndarray) -> None:
    """One row an image: source, row, label, predicted, logits (C of float32, −inf for classes not trained on)."""
    schema = pa.schema(
        [
            ("source", pa.string()),
            ("row", pa.int32()),
            ("label", pa.int16()),
            ("predicted", pa.int16()),
            ("logits", pa.list_(pa.float32(), logits.shape[1])),
        ]
    )
    columns = {
        "source": images.sources,
        "row": images.rows,
        "label": images.labels.numpy(),
        "predicted": predicted,
        "logits": logits,
    }
    write_parquet(path, columns, schema)
