"""Sheets of near-duplicates: the largest groups, with the image kept and those dropped as its copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distillery.curation.decoding import decode, to_square
from distillery.figures.contact_sheets import COLUMNS, Strip, save_sheet
from distillery.storage.parquet import read_rows
from distillery.storage.pools import read_pool
from distillery.wording import plural

GROUPS = 12  # at most, the largest first


def duplicates_sheet(
    pools: Sequence[tuple[str | Path, str | Path]],
    table: str | Path,
    output: str | Path,
    *,
    side: int,
    source: str,
    title: str,
    label: str = "",
    random_weights: bool = False,
) -> None:
    """Draw a source's largest groups of near-duplicates as PNG.

    Args:
        pools: shard and records (`.tar`, `.jsonl`) of each class.
        table: the source's curated `.parquet`.
        output: the PNG to write.
        side: pixels a side of the images.
        source, title, label, random_weights: see `contact_sheets.contact_sheet`.
    """
    groups, count = largest_groups(table)
    shown = {key for _, keys in groups for key in keys[:COLUMNS]}
    images = _read_images(pools, shown, side)
    places = {key: place for place, key in enumerate(images)}
    strips = [
        Strip(name, [places[key] for key in keys if key in places], [f"1 kept, {len(keys) - 1} dropped"])
        for name, keys in groups
    ]
    text = f"{plural(count, 'image')} dropped as near-duplicates" + "; the largest groups" * bool(groups)
    array = np.stack(list(images.values())) if images else np.empty((0, side, side, 3), dtype=np.uint8)
    save_sheet(output, array, strips, f"Near-duplicates of {source}: {title}", text, label, random_weights)


def largest_groups(table: str | Path) -> tuple[list[tuple[str, list[str]]], int]:
    """The largest groups of near-duplicates in a curated table.

    Returns:
        Up to `GROUPS` pairs of (class, keys), the key of the image kept first; and the number of images dropped as
        near-duplicates in all groups.
    """
    rows = read_rows(table, ["class", "key", "reason", "duplicate_of"])
    dropped: dict[str, list[str]] = defaultdict(list)
    label = {}
    for row in rows:
        if row["reason"] == "near-duplicate":
            dropped[row["duplicate_of"]].append(row["key"])
            label[row["duplicate_of"]] = row["class"]
    largest = sorted(dropped, key=lambda key: (-len(dropped[key]), key))[:GROUPS]
    return [(label[key], [key, *dropped[key]]) for key in largest], sum(map(len, dropped.values()))


def _read_images(pools: Sequence[tuple[str | Path, str | Path]], keys: set[str], side: int) -> dict[str, np.ndarray]:
    """The images of some keys, uint8 [side, side, 3]."""
    found: dict[str, np.ndarray] = {}
    for shard, records in pools:
        for record, data in read_pool(shard, records):
            if data is not None and record.key in keys and record.key not in found:
                found[record.key] = to_square(decode(data, side=side).image, side)
    return found
