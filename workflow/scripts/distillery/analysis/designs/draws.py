"""Finds scenarios whose draws of train images do not differ, because they train on all available images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from distillery.storage.parquet import read_parquet


def scenarios_drawn_once(plans: Iterable[str | Path]) -> set[str]:
    """The scenarios whose draws all have the same train images.

    Args:
        plans: `{scenario}.parquet` of every scenario and draw.
    """
    found: dict[str, set[frozenset[tuple[str, int]]]] = {}
    for path in map(Path, plans):
        table = read_parquet(path, ["source", "row", "split"])
        train = table["split"] == "train"
        images = zip(table["source"][train].tolist(), table["row"][train].tolist(), strict=True)
        found.setdefault(path.stem, set()).add(frozenset(images))
    return {scenario for scenario, draws in found.items() if len(draws) == 1}
