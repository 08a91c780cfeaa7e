"""Test a teacher on its own test images and on those of every source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distillery.jobs import OUTCOME, UserError, log
from distillery.models.adopted import AveragedNetwork
from distillery.models.weights import load_weights
from distillery.splits.planned_images import open_pixels
from distillery.storage.files import atomic_write
from distillery.storage.parquet import read_parquet
from distillery.training.data.dataset import ImageDataset, gather, load_teacher_data
from distillery.training.hardware import choose_device
from distillery.training.prediction import by_class, fraction, predict_classes, write_predictions

BETTER_THAN_CHANCE = 0.05  # accuracy over guessing, below which a warning is logged


@dataclass(frozen=True)
class Evaluation:
    """Predictions and metrics of a teacher on all test images; each list has one item for each test set."""

    images: list[ImageDataset]
    logits: list[np.ndarray]
    predicted: list[np.ndarray]
    metrics: dict[str, Any]

    def save(self, metrics: str | Path, predictions: str | Path) -> None:
        """Write metrics.json and predictions.parquet."""
        everything = ImageDataset(
            self.images[0].pixels[:0],  # predictions hold no pixels
            torch.cat([part.labels for part in self.images]),
            np.concatenate([part.sources for part in self.images]),
            np.concatenate([part.rows for part in self.images]),
            np.concatenate([part.augmented for part in self.images]),
        )
        write_predictions(predictions, everything, np.concatenate(self.logits), np.concatenate(self.predicted))
        atomic_write(metrics, json.dumps(self.metrics, indent=2) + "\n")


def evaluate_teacher(
    data: str | Path,
    weights: str | Path,
    splits: str | Path,
    pixels: Sequence[str | Path],
    sources: Sequence[str],
    threads: int = 0,
) -> Evaluation:
    """Test a teacher on its own test images (source `own_test`) and on the test images of every source.

    Args:
        splits: parquet with columns source, row, label, split.
        pixels: curated `.npy` of each of `sources`.

    Raises:
        UserError: a source's images have another size than the teacher's, or a file is damaged.
    """
    trained = load_weights(weights)
    network = trained.network.to(choose_device(threads))
    _, own = load_teacher_data(data, trained.classes)
    parts, logits, predicted = [], [], []
    found: dict[str, dict[str, Any]] = {}
    members: dict[str, dict[str, Any]] = {name: {} for name in _members(network)}
    for name, images in _test_images(own, splits, pixels, sources):
        if images.pixels.shape[-1] != trained.image_size:
            raise UserError(
                f"source {name} has images of {images.pixels.shape[-1]} pixels, but the teacher was trained on"
                f" {trained.image_size}. Delete {weights} and {data} and run again."
            )
        if not len(images):
            continue
        scores, classes = predict_classes(network, images.pixels)
        found[name] = _accuracy(classes, images, trained.classes)
        for member, alone in _members(network).items():
            members[member][name] = _accuracy(predict_classes(alone, images.pixels)[1], images, trained.classes)
        parts.append(images)
        logits.append(scores)
        predicted.append(classes)
    if not parts:
        raise UserError(
            "teacher: there is no test image to test it on. Give split.test counts, or teacher.data images."
        )
    accuracies = (
        f"{100 * part['accuracy']:.1f} % of {'its own test images' if name == 'own_test' else name}"
        for name, part in found.items()
    )
    log.log(OUTCOME, "correct on %s", ", ".join(accuracies))
    _warn_if_bad(found, trained.classes)
    metrics = {
        "network": trained.name,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "steps": trained.steps,
        **_by_test(found),
    }
    if members:
        metrics["members"] = {name: _by_test(tests) for name, tests in members.items()}
    return Evaluation(parts, logits, predicted, metrics)


def _members(network: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The members of an averaged teacher by name; empty for any other teacher."""
    if not isinstance(network, AveragedNetwork):
        return {}
    return dict(zip(network.about["names"], network.members, strict=True))


def _accuracy(predicted: np.ndarray, images: ImageDataset, classes: Sequence[str]) -> dict[str, Any]:
    labels = images.labels.numpy()
    correct = predicted == labels
    return {"accuracy": fraction(correct), "n": len(correct), "per_class": by_class(correct, labels, classes)}


def _by_test(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The metrics on the teacher's own test images (None if it has none), and on those of the sources."""
    own = found.get("own_test")
    return {"own_test": own, "sources": {name: part for name, part in found.items() if name != "own_test"}}


def _warn_if_bad(found: dict[str, dict[str, Any]], classes: Sequence[str]) -> None:
    """Warn, before students train, of test sets on which the teacher is hardly better than chance."""
    for name, part in found.items():
        chance = 1 / max(1, len(part["per_class"]))
        if part["accuracy"] < chance + BETTER_THAN_CHANCE:
            log.warning(
                "the teacher is correct on %.1f %% of %d test images of %s, where guessing gives %.1f %%: students can"
                " learn little from it. Check its classes, mapping or prompts, and the size of its images",
                *(100 * part["accuracy"], part["n"], name, 100 * chance),
            )


def _test_images(
    own: ImageDataset, splits: str | Path, pixels: Sequence[str | Path], sources: Sequence[str]
) -> Iterator[tuple[str, ImageDataset]]:
    """Names and test images: the teacher's own, then each source's, one at a time to save memory."""
    table = read_parquet(splits, ["source", "row", "label", "split"])
    arrays = open_pixels(pixels, sources)
    yield "own_test", own
    for name in sources:
        here = (table["source"] == name) & (table["split"] == "test")
        yield name, gather(arrays, table["source"][here], table["row"][here], table["label"][here])
