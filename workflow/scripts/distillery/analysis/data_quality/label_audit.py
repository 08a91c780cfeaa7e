"""Audits the labels of a source's images: flags those that are probably wrong, from the teacher's predictions.

The teacher also flags some labels of its own test images, although these are trusted. That fraction is the baseline for
other sources, so the same audit of the teacher's test images is written too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from distillery.curation.label_issues import find_label_issues
from distillery.jobs import UserError, log
from distillery.splits.planned_images import open_pixels
from distillery.storage.parquet import read_parquet, write_parquet

OWN_TEST = "own_test"  # column `source` of the teacher's own test images in its predictions
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # index into the source's curated pixels
        ("class", pa.string()),  # the label that the image came with
        ("key", pa.string()),
        ("audited", pa.int16()),  # 0 for a near-duplicate of an image that the teacher trained on, else 1
        ("p_claimed", pa.float32()),  # the teacher's probability of the label
        ("confident", pa.string()),  # its confident class (`curation.label_issues`); empty if none, or not audited
        ("likely", pa.string()),  # most probable other class of a flagged image; the label of any other
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
    own_predictions: str | Path,
    output: str | Path,
    own_output: str | Path,
    *,
    source: str,
    threads: int = 0,
) -> None:
    """Audit the label of every kept image of a source by confident learning, and those of the teacher's test images.

    Near-duplicates of images that the teacher trained on are not audited, because the teacher would repeat the labels
    that it was trained with. All thresholds and counts are estimated from train images alone, because a scenario with
    `clean` uses them to select train images; test and validation images are flagged with the same thresholds.

    The teacher's own test images of the source's classes are audited in the same way, with separate thresholds.

    Args:
        pixels, table: curated `.npy` and `.parquet` of the source.
        leakage: the `.parquet` of `curation.leakage`.
        splits: the `.parquet` with every image's split.
        weights: the teacher's `.safetensors`.
        own_predictions: the teacher's `predictions.parquet`, with its own test images if it has any.
        output: the `.parquet` to write, with the columns of `SCHEMA`, one row per kept image.
        own_output: the same for the teacher's own test images.
        source: name of the source.
        threads: CPU threads; 0 keeps torch's default.

    Raises:
        UserError: a file is damaged, the images have another size than the teacher's, or the teacher lacks a class.
    """
    curated = read_parquet(table, ["row", "class", "key", "kept", "clip_score"])
    kept = {name: column[curated["kept"]] for name, column in curated.items()}
    if not len(kept["row"]):
        log.info("source %s has no images to audit", source)
        for path in (output, own_output):
            write_parquet(path, {name: [] for name in SCHEMA.names}, SCHEMA)
        return
    # imported here, because a source without images needs no torch
    import torch

    from distillery.models.weights import load_weights
    from distillery.training.data.dataset import gather
    from distillery.training.hardware import choose_device
    from distillery.training.prediction import predict

    trained = load_weights(weights)
    if unknown := set(kept["class"]) - set(trained.classes):
        raise UserError(
            f"audit of source {source}: the teacher does not know {', '.join(sorted(unknown))}."
            f" Delete {weights} and run again."
        )
    labels = np.array([trained.classes.index(name) for name in kept["class"]], dtype=np.int64)
    names = np.full(len(labels), source, dtype=object)
    images = gather(open_pixels([pixels], [source]), names, kept["row"], labels)
    if images.pixels.shape[-1] != trained.image_size:
        raise UserError(f"{pixels} has images of another size than the teacher's. Delete it and run again.")
    network = trained.network.to(choose_device(threads)).to(memory_format=torch.channels_last)
    logits = predict(network, images.pixels).reshape(-1, len(trained.classes)).numpy()
    audited = ~np.isin(kept["row"], _rows_near_teacher_train(leakage, source))
    basis = np.isin(kept["row"], _train_rows(splits, source))
    columns = _audit(logits, labels, labels, trained.classes, audited, basis)
    columns |= {"source": names, "row": kept["row"], "key": kept["key"], "clip": kept["clip_score"]}
    write_parquet(output, columns, SCHEMA)
    own = read_parquet(own_predictions, ["source", "row", "label", "logits"])
    selected = (own["source"] == OWN_TEST) & np.isin(own["label"], labels)
    own = {name: column[selected] for name, column in own.items()}
    every = np.ones(len(own["row"]), dtype=bool)
    own_columns = _audit(own["logits"], own["label"].astype(np.int64), labels, trained.classes, every, every)
    own_columns |= {"source": own["source"], "row": own["row"], "key": [""] * len(every), "clip": [-1.0] * len(every)}
    write_parquet(own_output, own_columns, SCHEMA)
    log.info(
        "labels flagged as probably wrong: %d of %d images of source %s, %d of %d of the teacher's own test images",
        *(columns["is_label_issue"].sum(), len(labels), source, own_columns["is_label_issue"].sum(), len(every)),
    )


def _audit(
    logits: np.ndarray,
    labels: np.ndarray,
    claimed: np.ndarray,
    classes: Sequence[str],
    audited: np.ndarray,
    basis: np.ndarray,
) -> dict[str, Any]:
    """The columns of `SCHEMA` that are computed from the teacher's logits.

    Args:
        logits: float32 [N, C].
        labels: int64 [N], indices into `classes`.
        claimed: int64 [M], labels of the source. Other classes than theirs are left out of the probabilities.
        classes: [C], names.
        audited: bool [N], whether an image is audited.
        basis: bool [N], the images that thresholds and counts are estimated from if they are audited.
    """
    import torch

    claimed = np.unique(claimed)
    probabilities = torch.softmax(torch.from_numpy(logits)[:, torch.from_numpy(claimed)], dim=1).numpy()
    places = np.searchsorted(claimed, labels)
    # without an audited train image no train images are selected by flags, so all images may serve for estimation
    usable = basis[audited] if basis[audited].any() else None
    issues = find_label_issues(probabilities[audited], places[audited], usable)
    likely, confident, is_label_issue = labels.copy(), np.full(len(labels), -1), np.zeros(len(labels), dtype=bool)
    likely[audited], is_label_issue[audited] = claimed[issues.likely], issues.is_label_issue
    confident[audited] = np.where(issues.confident >= 0, claimed[issues.confident], -1)
    return {
        "class": [classes[label] for label in labels],
        "audited": audited,
        "p_claimed": probabilities[np.arange(len(labels)), places],
        "confident": [classes[label] if label >= 0 else "" for label in confident],
        "likely": [classes[label] for label in likely],
        "is_label_issue": is_label_issue,
    }


def _rows_near_teacher_train(leakage: str | Path, source: str) -> np.ndarray:
    """Rows of a source that are near-duplicates of images that the teacher trained on."""
    table = read_parquet(leakage, ["source", "row", "teacher_split"])
    return table["row"][(table["source"] == source) & (table["teacher_split"] == "train")]


def _train_rows(splits: str | Path, source: str) -> np.ndarray:
    """Rows of a source's train images."""
    table = read_parquet(splits, ["source", "row", "split"])
    return table["row"][(table["source"] == source) & (table["split"] == "train")]
