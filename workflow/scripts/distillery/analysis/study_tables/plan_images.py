"""Which images the scenarios' plans use: counted for one scenario, and distinct over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class PlanCounts:
    """The train images of a scenario's plan.

    Attributes:
        counts: images of each source, without altered copies.
        copies: altered copies.
    """

    counts: dict[str, int]
    copies: int


def read_plan_counts(path: str | Path) -> PlanCounts:
    """Count the train images of a scenario's plan; sources stand in its order of rows."""
    rows = pd.read_parquet(path, columns=["source", "split", "augmented"])
    train = rows[rows["split"].astype(str) == "train"]
    altered = train["augmented"].astype(bool)
    counts = train.loc[~altered, "source"].astype(str).value_counts(sort=False)
    return PlanCounts({str(source): int(n) for source, n in counts.items()}, int(altered.sum()))


def used_images(
    plans: Iterable[str | Path], splits: str | Path | None = None, other_test_sets: Sequence[str] = ()
) -> pd.DataFrame:
    """The distinct images that any scenario trains on, is validated on or is tested on: source, row, split.

    Args:
        plans: every scenario's. Their test images are the common ones alone.
        splits: every image's split; needed with `other_test_sets`.
        other_test_sets: sources outside the common test. Every student is tested on their test images too.
    """
    columns = ["source", "row", "split", "label"]
    parts = [pd.read_parquet(path, columns=columns).drop_duplicates() for path in plans]
    parts = [part for part in parts if len(part)]  # the plan of a scenario that is not run has no rows
    rows = pd.concat(parts) if parts else pd.DataFrame({name: pd.Series(dtype=int) for name in columns})
    if other_test_sets:
        if splits is None:
            raise ValueError("other_test_sets needs splits")
        # a student is tested on the classes that it was trained on
        trained = rows.loc[rows["split"] == "train", "label"]
        tested = pd.read_parquet(splits, columns=columns)
        tested = tested[
            (tested["split"] == "test") & tested["source"].isin(other_test_sets) & tested["label"].isin(trained)
        ]
        rows = pd.concat([rows, tested])
    return rows[columns[:3]].drop_duplicates().astype({"source": str})
