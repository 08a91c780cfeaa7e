"""The images of a training in memory: those of a scenario's plan, or the teacher's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distillery.jobs import UserError
from distillery.storage.arrays import map_pixels, read_arrays
from distillery.storage.parquet import read_parquet

MIN_STD = 1e-3  # of a channel in [0, 1]; images of a single color would otherwise divide by 0


@dataclass(frozen=True)
class ImageDataset:
    """Images with their labels and origins.

    Attributes:
        pixels: uint8 [N, 3, S, S], channels last in memory.
        labels: int64 [N], indices into the study's classes.
        sources: str [N].
        rows: int32 [N], rows in the source's curated pixels.
        augmented: bool [N], whether the image is an augmented copy.
    """

    pixels: Tensor
    labels: Tensor
    sources: np.ndarray
    rows: np.ndarray
    augmented: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, where: np.ndarray) -> ImageDataset:
        """The images at some places: `where` is int [M] or bool [N]."""
        places = np.arange(len(self))[where]
        return ImageDataset(
            as_channels_last(self.pixels.permute(0, 2, 3, 1).numpy()[places]),
            self.labels[torch.from_numpy(places)],
            self.sources[places],
            self.rows[places],
            self.augmented[places],
        )


def as_channels_last(pixels: np.ndarray) -> Tensor:
    """uint8 [N, S, S, 3] → torch uint8 [N, 3, S, S], a view of the same memory if that is contiguous."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)


def load_plan(
    plan: str | Path, pixels: Sequence[str | Path], sources: Sequence[str], classes: Sequence[str]
) -> dict[str, ImageDataset]:
    """The images of a scenario by split (train, val, test), in the plan's order; augmented copies are still unchanged.

    Args:
        plan: parquet with columns source, row, label, split, augmented.
        pixels: the curated `.npy` uint8 [N, S, S, 3] of each of `sources`, memory-mapped.

    Raises:
        UserError: the plan names images that do not exist, has no train or test images, or tests classes that it does
            not train on.
    """
    table = read_parquet(plan, ["source", "row", "label", "split", "augmented"])
    if len(table["label"]) and not 0 <= table["label"].min() <= table["label"].max() < len(classes):
        raise UserError(f"plan {plan} has labels beyond the {len(classes)} classes. Delete it and run again.")
    arrays = open_pixels(pixels, sources)
    parts = {}
    for split in ("train", "val", "test"):
        chosen = {name: column[table["split"] == split] for name, column in table.items()}
        parts[split] = gather(arrays, chosen["source"], chosen["row"], chosen["label"], chosen["augmented"])
    for split in ("train", "test"):
        if not len(parts[split]):
            raise UserError(f"plan {plan} has no {split} images. Delete it and run again.")
    trained = parts["train"].labels.unique()
    for split in ("val", "test"):
        untrained = parts[split].labels[~torch.isin(parts[split].labels, trained)].unique().tolist()
        if untrained:
            names = ", ".join(classes[label] for label in untrained)
            raise UserError(f"plan {plan}: {split} images of {names}, none to train on. Delete it and run again.")
    return parts


def open_pixels(paths: Sequence[str | Path], sources: Sequence[str]) -> dict[str, np.ndarray]:
    """Memory-mapped pixels uint8 [N, S, S, 3] by source.

    Raises:
        UserError: a file is damaged, or the sources' image sizes differ.
    """
    arrays = {name: map_pixels(path) for name, path in zip(sources, paths, strict=True)}
    if len(sizes := {array.shape[1:] for array in arrays.values()}) > 1:
        raise UserError(f"sources {', '.join(sources)} have images of several sizes {sorted(sizes)}. Curate again.")
    return arrays


def whole_source(name: str, pixels: np.ndarray, labels: np.ndarray) -> ImageDataset:
    """Every image of one source: pixels uint8 [N, S, S, 3], labels [N]."""
    return gather({name: pixels}, np.full(len(labels), name, object), np.arange(len(labels)), labels)


def gather(
    arrays: Mapping[str, np.ndarray],
    sources: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    augmented: np.ndarray | None = None,
) -> ImageDataset:
    """Copy the given rows of each source's pixels into one dataset.

    Args:
        arrays: uint8 [N, S, S, 3] by source.
        sources, rows, labels: [M] each.
        augmented: bool [M]; None for no augmented copies.

    Raises:
        UserError: a source or row does not exist.
    """
    shape = next(iter(arrays.values())).shape[1:]
    pixels = np.empty((len(rows), *shape), np.uint8)
    for name in dict.fromkeys(sources.tolist()):
        here = np.flatnonzero(sources == name)
        if name not in arrays:
            raise UserError(f"images of source {name} are requested, but its pixels are not given")
        if rows[here].min() < 0 or rows[here].max() >= len(arrays[name]):
            raise UserError(f"source {name} has {len(arrays[name])} images, but row {rows[here].max()} is requested")
        pixels[here] = arrays[name][rows[here]]
    augmented = np.zeros(len(rows), bool) if augmented is None else augmented.astype(bool)
    return ImageDataset(
        as_channels_last(pixels),
        torch.from_numpy(labels.astype(np.int64)),
        sources,
        rows.astype(np.int32),
        augmented,
    )


def load_teacher_data(path: str | Path, classes: Sequence[str]) -> tuple[ImageDataset, ImageDataset]:
    """The teacher's train and test images (sources `own_train` and `own_test`).

    Raises:
        UserError: the file is damaged or has other classes.
    """
    names = ("train_pixels", "train_labels", "test_pixels", "test_labels")
    arrays = read_arrays(path, ("classes", *names), "teacher's data")
    found = [str(name) for name in arrays["classes"]]
    parts = [(arrays[f"{part}_pixels"], arrays[f"{part}_labels"]) for part in ("train", "test")]
    if found != list(classes):
        raise UserError(
            f"teacher's data {path} is of classes {', '.join(found)}, not {', '.join(classes)}."
            " Delete it and run again."
        )
    train, test = (
        whole_source(name, pixels, labels)
        for name, (pixels, labels) in zip(("own_train", "own_test"), parts, strict=True)
    )
    return train, test


def channel_statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, float32 [3] each, of the channels of uint8 [N, 3, S, S] scaled to [0, 1]."""
    # from counts of each value: exact, and without a float copy of the images
    counts = torch.stack([torch.bincount(pixels[:, c].reshape(-1), minlength=256) for c in range(3)]).double()
    fractions = counts / counts.sum(dim=1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = (fractions * values).sum(dim=1)
    variance = (fractions * (values - mean[:, None]) ** 2).sum(dim=1)
    return mean.float(), variance.sqrt().clamp_min(MIN_STD).float()
