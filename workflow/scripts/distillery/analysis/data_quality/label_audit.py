"""Audits the labels of a source's images: which are probably wrong, by the teacher's predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from distillery.curation.label_issues import find_label_issues
from distillery.jobs import UserError, log
from distillery.splits.planned_images import open_pixels
from distillery.storage.parquet import read_parquet, write_parquet

SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's curated pixels
        ("class", pa.string()),  # the label that the image came with
        ("key", pa.string()),
        ("audited", pa.int16()),  # 0 for a near-duplicate of an image that the teacher trained on, else 1
        ("p_claimed", pa.float32()),  # the teacher's probability of the label
        ("confident", pa.string()),  # the class that it is confidently of; empty if none, or not audited
        ("likely", pa.string()),  # the most probable other class of a flagged image, else its label
        ("is_label_issue", pa.int16()),  # 1 if the label is probably wrong, else 0
        ("clip", pa.float32()),  # CLIP's probability of the label; −1 if the source has no CLIP scorer
    ]
)


def audit_labels(
    pixels: str | Path,
    table: str | Path,
    leakage: str | Path,
    splits: str | Path,
    weights: str | Path,
    output: str | Path,
    *,
    source: str,
    threads: int = 0,
) -> None:
    """Audit the label of every kept image of a source by confident learning.

    Near-duplicates of images that the teacher trained on are not audited, because the teacher would repeat the labels
    that it was trained with. All thresholds and counts are estimated from train images alone, because a scenario with
    `clean` selects its train images by them; test and validation images are flagged by the same thresholds.

    Args:
        pixels, table: the source's curated images.
        leakage: written by `curation.leakage`.
        splits: every image's split.
        weights: the teacher's.
        output: the `.parquet` to write, with the columns of `SCHEMA`, one row a kept image.
        source: its name.
        threads: CPU threads; 0 keeps torch's default.

    Raises:
        UserError: a file is damaged, the images have another size than the teacher's, or the teacher lacks a class.
    """
    curated = read_parquet(table, ["row", "class", "key", "kept", "clip_score"])
    kept = {name: column[curated["kept"]] for name, column in curated.items()}
    if not len(kept["row"]):
        log.info("source %s has no images to audit", source)
        write_parquet(output, {name: [] for name in SCHEMA.names}, SCHEMA)
        return
    # here, since a source without images needs no torch
    import torch

    from distillery.models.weights import load_weights
    from distillery.training.dataset import gather
    from distillery.training.hardware import choose_device
    from distillery.training.prediction import predict

    trained = load_weights(weights)
    if unknown := set(kept["class"]) - set(trained.classes):
        raise UserError(f"audit of source {source}: the teacher does not know {', '.join(sorted(unknown))}")
    labels = np.array([trained.classes.index(name) for name in kept["class"]], dtype=np.int64)
    names = np.full(len(labels), source, dtype=object)
    images = gather(open_pixels([pixels], [source]), names, kept["row"], labels)
    if images.pixels.shape[-1] != trained.image_size:
        raise UserError(f"source {source} has images of another size than the teacher's. Curate again.")
    network = trained.network.to(choose_device(threads)).to(memory_format=torch.channels_last)
    logits = predict(network, images.pixels).reshape(-1, len(trained.classes))
    # only the classes that the source has: no other class is an alternative to its labels
    claimed = np.unique(labels)
    probabilities = torch.softmax(logits[:, torch.from_numpy(claimed)], dim=1).numpy()
    places = np.searchsorted(claimed, labels)
    audited = ~np.isin(kept["row"], _rows_near_teacher_train(leakage, source))
    basis = np.isin(kept["row"], _train_rows(splits, source))[audited]
    # without an audited train image nothing is selected from this source, so that all its images may be the basis
    issues = find_label_issues(probabilities[audited], places[audited], basis if basis.any() else None)
    likely, confident, is_label_issue = labels.copy(), np.full(len(labels), -1), np.zeros(len(labels), dtype=bool)
    likely[audited], is_label_issue[audited] = claimed[issues.likely], issues.is_label_issue
    confident[audited] = np.where(issues.confident >= 0, claimed[issues.confident], -1)
    log.info("%d of %d images have a label that is probably wrong", is_label_issue.sum(), len(labels))
    columns: dict[str, Any] = {
        "source": names,
        "row": kept["row"],
        "class": kept["class"],
        "key": kept["key"],
        "audited": audited,
        "p_claimed": probabilities[np.arange(len(labels)), places],
        "confident": [trained.classes[label] if label >= 0 else "" for label in confident],
        "likely": [trained.classes[label] for label in likely],
        "is_label_issue": is_label_issue,
        "clip": kept["clip_score"],
    }
    write_parquet(output, columns, SCHEMA)


def _rows_near_teacher_train(leakage: str | Path, source: str) -> np.ndarray:
    """Rows of a source that are near-duplicates of images that the teacher trained on."""
    table = read_parquet(leakage, ["source", "row", "teacher_split"])
    return table["row"][(table["source"] == source) & (table["teacher_split"] == "train")]


def _train_rows(splits: str | Path, source: str) -> np.ndarray:
    """Rows of a source's train images."""
    table = read_parquet(splits, ["source", "row", "split"])
    return table["row"][(table["source"] == source) & (table["split"] == "train")]
