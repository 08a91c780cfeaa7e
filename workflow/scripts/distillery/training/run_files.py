"""The files of a run: where they lie, its history, and the columns of its predictions. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from distillery.storage.files import atomic_write


class RunName(NamedTuple):
    """The run that a file belongs to."""

    scenario: str
    arm: str
    seed: int

    @classmethod
    def of(cls, path: str | Path) -> RunName:
        """The run of a file `…/{scenario}/{arm}/seed{n}/{file}`."""
        scenario, arm, seed = Path(path).parts[-4:-1]
        return cls(scenario, arm, int(seed.removeprefix("seed")))

    def __str__(self) -> str:
        return f"{self.scenario}, {self.arm}, seed {self.seed}"


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
