"""Load the pixels of a plan's images as numpy arrays. Imports no torch, so that a job can check them without it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from distillery.jobs import UserError, log
from distillery.storage.arrays import map_pixels
from distillery.storage.host.memory import free_memory
from distillery.storage.parquet import read_metadata, read_parquet

MOST_OF_MEMORY = 0.25  # largest fraction of the free memory for images; networks and batches need memory too
TRAINED = "trained"  # metadata of a plan whose images may lack labels: the classes trained on, as a JSON list


@dataclass(frozen=True)
class PlannedImages:
    """Images with their labels and origins.

    Attributes:
        pixels: uint8 [N, S, S, 3]; a memory map if they need much memory, see `gather_images`.
        labels: int64 [N], indices into the study's classes.
        sources: str [N].
        rows: int32 [N], rows in the source's curated pixels.
        augmented: bool [N], whether this is a copy to be altered.
        known: classes trained on even if no image has their label, as indices into the study's classes.
    """

    pixels: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    rows: np.ndarray
    augmented: np.ndarray
    known: tuple[int, ...] = ()

    def trained_classes(self) -> np.ndarray:
        """The classes that a student trained on these images distinguishes: int64, sorted."""
        return np.unique(np.concatenate([self.labels, np.array(self.known, np.int64)]))

    def __len__(self) -> int:
        return len(self.labels)


def read_planned_images(
    plan: str | Path, pixels: Sequence[str | Path], sources: Sequence[str], classes: Sequence[str]
) -> dict[str, PlannedImages]:
    """The images of a scenario by split (train, val), in the plan's order. Augmented copies are not altered yet.

    Args:
        plan: parquet with columns source, row, label, split, augmented.
        pixels: the curated `.npy` of each source, uint8 [N, S, S, 3].
        sources: their names.
        classes: names of the study's classes.

    Raises:
        UserError: the plan names images that do not exist, has no train images, or has validation images of classes
            without train images.
    """
    table = read_parquet(plan, ["source", "row", "label", "split", "augmented"])
    if len(table["label"]) and not 0 <= table["label"].min() <= table["label"].max() < len(classes):
        raise UserError(f"plan {plan} has labels beyond the {len(classes)} classes. Delete it and run again.")
    arrays = open_pixels(pixels, sources)
    parts = {}
    for split in ("train", "val"):
        chosen = {name: column[table["split"] == split] for name, column in table.items()}
        parts[split] = gather_images(arrays, chosen["source"], chosen["row"], chosen["label"], chosen["augmented"])
    if not len(parts["train"]):
        raise UserError(f"plan {plan} has no train images. Delete it and run again.")
    parts["train"] = replace(parts["train"], known=known_classes(plan, classes))
    if untrained := sorted(set(parts["val"].labels.tolist()) - set(parts["train"].trained_classes().tolist())):
        names = ", ".join(classes[label] for label in untrained)
        raise UserError(
            f"plan {plan} has validation images of {names}, but no train images of them. Delete it and run again."
        )
    return parts


def known_classes(plan: str | Path, classes: Sequence[str]) -> tuple[int, ...]:
    """The classes that a plan trains on even if no image has their label, sorted; empty if all images have labels.

    Args:
        classes: names of the study's classes.
    """
    return tuple(sorted(classes.index(name) for name in json.loads(read_metadata(plan).get(TRAINED, "[]"))))


def open_pixels(paths: Sequence[str | Path], sources: Sequence[str]) -> dict[str, np.ndarray]:
    """Memory-mapped pixels uint8 [N, S, S, 3] by source.

    Raises:
        UserError: a file is damaged, or the sources' image sizes differ.
    """
    arrays = {name: map_pixels(path) for name, path in zip(sources, paths, strict=True)}
    if len(sizes := {array.shape[1:] for array in arrays.values()}) > 1:
        raise UserError(f"sources {', '.join(sources)} have images of several sizes {sorted(sizes)}. Curate again.")
    return arrays


def gather_images(
    arrays: Mapping[str, np.ndarray],
    sources: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    augmented: np.ndarray | None = None,
) -> PlannedImages:
    """Copy the given rows of each source's pixels into one array.

    If the images need more than a fourth of the free memory, they are copied into a temporary file instead, which is
    deleted with the array or at the end of the process. The array is then a memory map of that file.

    Args:
        arrays: uint8 [N, S, S, 3] by source.
        sources, rows, labels: of the M images, [M] each.
        augmented: bool [M]; None if no image is an augmented copy.

    Raises:
        UserError: a source or row does not exist.
    """
    shape = next(iter(arrays.values())).shape[1:]
    pixels = _room_for((len(rows), *shape), arrays)
    for name in dict.fromkeys(sources.tolist()):
        here = np.flatnonzero(sources == name)
        if name not in arrays:
            raise UserError(f"images of source {name} are requested, but its pixels are missing")
        if rows[here].min() < 0 or rows[here].max() >= len(arrays[name]):
            raise UserError(f"source {name} has {len(arrays[name])} images, but row {rows[here].max()} is requested")
        pixels[here] = arrays[name][rows[here]]
    if isinstance(pixels, np.memmap):
        pixels.flush()  # then the system can drop their pages from memory
    augmented = np.zeros(len(rows), bool) if augmented is None else augmented.astype(bool)
    return PlannedImages(pixels, labels.astype(np.int64), sources, rows.astype(np.int32), augmented)


def _room_for(shape: tuple[int, ...], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """An empty uint8 array of a shape: in memory, or in a file beside the first memory map if memory is short."""
    needed, free = prod(shape), free_memory()
    files = [Path(array.filename) for array in arrays.values() if isinstance(array, np.memmap) and array.filename]
    if needed <= free * MOST_OF_MEMORY or not files:
        return np.empty(shape, np.uint8)
    log.info("%.1f GB of images are read from a file, because %.1f GB of memory are free", needed / 1e9, free / 1e9)
    with tempfile.TemporaryFile(dir=files[0].parent, prefix=".images.") as file:
        try:
            # reserve the space now, because a full disk would kill the process while it writes
            getattr(os, "posix_fallocate", lambda *_: None)(file.fileno(), 0, needed)
        except OSError as error:
            raise UserError(
                f"{needed / 1e9:.1f} GB of images fit neither into the free memory nor into {files[0].parent}"
                f" ({error.strerror}). Free disk space, or train on fewer or smaller images."
            ) from error
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)
