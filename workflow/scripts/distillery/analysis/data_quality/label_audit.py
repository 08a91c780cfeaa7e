"""What the teacher thinks of the labels that a source's images came with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from distillery.curation.label_issues import find_label_issues
from distillery.jobs import UserError, log
from distillery.models.weights import load_weights
from distillery.storage.parquet import read_parquet, write_parquet
from distillery.training.dataset import gather, open_pixels
from distillery.training.hardware import choose_device
from distillery.training.prediction import predict

SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("class", pa.string()),  # as claimed
        ("key", pa.string()),
        ("audited", pa.int16()),  # 1, or 0 for a near-duplicate of an image the teacher trained on
        ("p_claimed", pa.float32()),  # the teacher's probability of the claimed class
        ("confident", pa.string()),  # the class it is confidently of; empty if there is none, or it was not audited
        ("likely", pa.string()),  # of a flagged the class it probably is of, of others the claimed one
        ("is_label_issue", pa.int16()),  # 1 if its label is probably wrong
        (
            "clip",
            pa.float32(),
        ),  # CLIP's probability of the claimed class, where the source has it as classifier; else -1
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
    """ClipScorer the label of every kept image of a source.

    A near-duplicate of an image the teacher was trained on is not audited: the teacher would repeat what it was told.
    The verdicts are estimated from train images alone, since a scenario with `clean` trains on those that they leave:
    test and validation images choose nothing, and are audited by what the others gave.

    Args:
        pixels, table: the source's curated images.
        leakage: of `curation.leakage`.
        splits: of `splits`.
        weights: the teacher's.
        output: the `.parquet` to write, with the columns of `SCHEMA`, one row a kept image.
        source: its name.
        threads: of the CPU.

    Raises:
        UserError: a file is damaged; the teacher is of another size or lacks a class.
    """
    trained = load_weights(weights)
    columns = read_parquet(table, ["row", "class", "key", "kept", "clip_score"])
    kept = {name: column[columns["kept"]] for name, column in columns.items()}
    if unknown := set(kept["class"]) - set(trained.classes):
        raise UserError(f"audit of source {source}: the teacher does not know {', '.join(sorted(unknown))}")
    labels = np.array([trained.classes.index(name) for name in kept["class"]], dtype=np.int64)
    names = np.full(len(labels), source, dtype=object)
    images = gather(open_pixels([pixels], [source]), names, kept["row"], labels)
    if len(labels) and images.pixels.shape[-1] != trained.image_size:
        raise UserError(f"source {source} has images of another size than the teacher's. Curate again.")
    network = trained.network.to(choose_device(threads), memory_format=torch.channels_last)
    logits = predict(network, images.pixels).reshape(-1, len(trained.classes))
    # only what the source claims to show: the others are no alternative for its labels
    claimed = np.unique(labels)
    probabilities = torch.softmax(logits[:, torch.from_numpy(claimed)], dim=1).numpy()
    places = np.searchsorted(claimed, labels)
    audited = ~np.isin(kept["row"], _learnt_from(leakage, source))
    basis = np.isin(kept["row"], _train_rows(splits, source))[audited]
    # nothing is chosen from a source that no audited image of is trained on: all its images tell how good it is
    noise = find_label_issues(probabilities[audited], places[audited], basis if basis.any() else None)
    likely, confident, is_label_issue = labels.copy(), np.full(len(labels), -1), np.zeros(len(labels), dtype=bool)
    likely[audited], is_label_issue[audited] = claimed[noise.likely], noise.is_label_issue
    confident[audited] = np.where(noise.confident >= 0, claimed[noise.confident], -1)
    log.info("%d of %d images have a label that the teacher doubts", is_label_issue.sum(), len(labels))
    columns = {
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


def _learnt_from(leakage: str | Path, source: str) -> np.ndarray:
    """Rows of a source that are near-duplicates of images the teacher was trained on."""
    table = read_parquet(leakage, ["source", "row", "teacher_split"])
    return table["row"][(table["source"] == source) & (table["teacher_split"] == "train")]


def _train_rows(splits: str | Path, source: str) -> np.ndarray:
    table = read_parquet(splits, ["source", "row", "split"])
    return table["row"][(table["source"] == source) & (table["split"] == "train")]
