"""Sheets of near-duplicates: the largest groups, each with its kept image, the reason, and the dropped copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distillery.curation.decoding import decode, to_square
from distillery.figures.sheets.contact_sheets import COLUMNS, SheetHeading, Strip, save_sheet
from distillery.storage.parquet import read_rows
from distillery.storage.retrieved.pools import read_pool
from distillery.wording import plural

GROUPS = 12  # groups on a sheet, at most, the largest first
CONFLICT = "conflicting labels: near-duplicate"  # drop reason of images with a near-duplicate in another class


def duplicates_sheet(
    pools: Sequence[tuple[str | Path, str | Path]],
    table: str | Path,
    output: str | Path,
    heading: SheetHeading,
    *,
    side: int,
) -> None:
    """Draw a source's largest groups of near-duplicates as PNG; the image that was kept has a frame.

    Args:
        pools: shard and records (`.tar`, `.jsonl`) of each class.
        table: the source's curated `.parquet`.
        output: the PNG to write.
        heading: the text above the images.
        side: height and width of the drawn images, pixels.
    """
    groups, dropped, conflicting = largest_groups(table)
    shown = {image.key for group in groups for image in group.images[:COLUMNS]}
    images = _read_images(pools, shown, side)
    places = {key: place for place, key in enumerate(images)}
    strips = [
        Strip(
            group.name,
            [places[image.key] for image in group.images if image.key in places],
            group.lines,
            marked=int(group.one_is_kept),
        )
        for group in groups
    ]
    text = f"{plural(dropped, 'image')} dropped as near-duplicates"
    text += f", {conflicting:,} because of the other class of a near-duplicate" * bool(conflicting)
    text += "; the largest groups, each with its kept image first and framed" * bool(groups)
    array = np.stack(list(images.values())) if images else np.empty((0, side, side, 3), dtype=np.uint8)
    save_sheet(output, array, strips, "Near-duplicates of {source}", text, heading)


@dataclass(frozen=True)
class CuratedImage:
    """An image of a group, with its original width and height in pixels."""

    key: str
    width: int
    height: int


@dataclass(frozen=True)
class DuplicateGroup:
    """Near-duplicates of each other.

    Attributes:
        name: their class; both classes if their labels conflict.
        images: the kept image first, if one was kept.
        one_is_kept: whether one was kept; false for a pair with conflicting labels.
    """

    name: str
    images: list[CuratedImage]
    one_is_kept: bool = True

    @property
    def lines(self) -> list[str]:
        """Lines of text on the sheet: how many were kept, and why."""
        if not self.one_is_kept:
            return ["none kept", "one of the two", "classes is wrong"]
        first, *others = self.images
        is_larger = first.width * first.height > max(image.width * image.height for image in others)
        why = "the largest" if is_larger else "the first of its size"
        return [f"kept 1 of {len(self.images):,}", f"{why}:", f"{first.width} x {first.height} pixels"]


def largest_groups(table: str | Path) -> tuple[list[DuplicateGroup], int, int]:
    """The largest groups of near-duplicates in a curated table.

    Returns:
        Up to `GROUPS` groups, pairs with conflicting labels last; the number of images dropped as near-duplicates; and
        the number dropped because of conflicting labels. Both numbers count all groups.
    """
    rows = read_rows(table, ["class", "key", "reason", "duplicate_of", "width", "height"])
    by_key = {row["key"]: row for row in rows if row["width"]}
    copies: dict[str, list[str]] = defaultdict(list)
    conflicts: set[frozenset[str]] = set()
    for row in rows:
        if row["duplicate_of"] not in by_key or row["key"] not in by_key:
            continue
        if row["reason"] == "near-duplicate":
            copies[row["duplicate_of"]].append(row["key"])
        elif row["reason"].startswith(CONFLICT):
            conflicts.add(frozenset((row["key"], row["duplicate_of"])))

    def image(key: str) -> CuratedImage:
        return CuratedImage(key, by_key[key]["width"], by_key[key]["height"])

    largest = sorted(copies, key=lambda key: (-len(copies[key]), key))
    groups = [DuplicateGroup(by_key[key]["class"], [image(key), *map(image, copies[key])]) for key in largest]
    for pair in sorted(map(sorted, conflicts)):
        name = " / ".join(dict.fromkeys(by_key[key]["class"] for key in pair))
        groups.append(DuplicateGroup(name, [image(key) for key in pair], one_is_kept=False))
    conflicting = sum(row["reason"].startswith(CONFLICT) for row in rows)
    return groups[:GROUPS], sum(map(len, copies.values())), conflicting


def _read_images(pools: Sequence[tuple[str | Path, str | Path]], keys: set[str], side: int) -> dict[str, np.ndarray]:
    """Read images from their pools: uint8 [side, side, 3] by key."""
    found: dict[str, np.ndarray] = {}
    for shard, records in pools:
        for record, data in read_pool(shard, records):
            if data is not None and record.key in keys and record.key not in found:
                found[record.key] = to_square(decode(data, side=side).image, side)
    return found
