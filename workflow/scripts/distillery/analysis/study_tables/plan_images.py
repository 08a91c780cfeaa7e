"""Which images the scenarios' plans use: counts for one scenario, and the distinct images of all scenarios."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class PlanCounts:
    """Numbers of train images in a scenario's plan.

    Attributes:
        counts: number of images by source, without altered copies.
        copies: number of altered copies (`augment`).
    """

    counts: dict[str, int]
    copies: int


def read_plan_counts(path: str | Path) -> PlanCounts:
    """Count the train images of a scenario's plan, a `.parquet`; sources are in the order of its rows."""
    rows = pd.read_parquet(path, columns=["source", "split", "augmented"])
    train = rows[rows["split"].astype(str) == "train"]
    altered = train["augmented"].astype(bool)
    counts = train.loc[~altered, "source"].astype(str).value_counts(sort=False)
    return PlanCounts({str(source): int(n) for source, n in counts.items()}, int(altered.sum()))


def used_images(plans: Iterable[str | Path], splits: str | Path, tested: Sequence[str]) -> pd.DataFrame:
    """The distinct images that any scenario trains on, is validated on or is tested on: source, row, split.

    Args:
        plans: `{scenario}.parquet` of every scenario.
        splits: the `.parquet` with every image's split.
        tested: sources with test images. A student is tested on those of the classes that it was trained on.
    """
    columns = ["source", "row", "split", "label"]
    parts = [pd.read_parquet(path, columns=columns).drop_duplicates() for path in plans]
    parts = [part for part in parts if len(part)]  # the plan of a scenario that is not run has no rows
    rows = pd.concat(parts) if parts else pd.DataFrame({name: pd.Series(dtype=int) for name in columns})
    trained = rows.loc[rows["split"] == "train", "label"]
    test = pd.read_parquet(splits, columns=columns)
    test = test[(test["split"] == "test") & test["source"].isin(tested) & test["label"].isin(trained)]
    return pd.concat([rows, test])[columns[:3]].drop_duplicates().astype({"source": str})
