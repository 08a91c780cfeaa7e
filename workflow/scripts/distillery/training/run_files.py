"""The files of a training: its history, and the columns of its predictions. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from distillery.storage.files import atomic_write


class HistoryRow(NamedTuple):
    """One row of the history of a training."""

    step: int  # steps done
    loss: float  # nats, mean over the steps since the previous row
    lr: float
    val_accuracy: float | None  # 0 to 1; None where not measured


def write_history(path: str | Path, history: Iterable[HistoryRow]) -> None:
    """Write a CSV with columns step, loss, lr and val_accuracy (0 to 1, blank where not measured)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HistoryRow._fields)
    for row in history:
        val = "" if row.val_accuracy is None else f"{row.val_accuracy:.6f}"
        writer.writerow([row.step, f"{row.loss:.6g}", f"{row.lr:.6g}", val])
    atomic_write(path, text.getvalue())


def predictions_schema(classes: int) -> pa.Schema:
    """The columns of `predictions.parquet` for C classes."""
    return pa.schema(
        [
            ("source", pa.string()),
            ("row", pa.int32()),  # in the source's curated pixels
            ("label", pa.int16()),
            ("predicted", pa.int16()),
            ("logits", pa.list_(pa.float32(), classes)),
        ]
    )
