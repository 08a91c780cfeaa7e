"""Sheets of generated images that were not chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distillery.curation.decoding import decode, to_square
from distillery.figures.sheets.contact_sheets import SheetHeading, Strip, evenly_spaced, save_sheet
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import read_images, read_records
from distillery.wording import plural, reason_kind


def rejected_sheet(files: Mapping[str, Any], output: str | Path, heading: SheetHeading, *, side: int) -> None:
    """Draw images that a source's `keep` rejected, by class, the most probable first.

    Args:
        files: `rejected` and `rejected_records`, the pool of the rejected images, and `records`, those of all classes.
        output: the PNG to write.
        side: pixels a side of the images.
    """
    tried = [record for path in files["records"] for record in read_records(path)]
    rejected = read_records(files["rejected_records"])
    strips: list[tuple[str, list[ImageRecord], list[str]]] = []
    for name in dict.fromkeys(record.label for record in tried):
        mine = sorted((record for record in rejected if record.label == name), key=lambda r: (-score_of(r), r.key))
        made = sum(not r.failure or reason_kind(r.failure) == "rejected" for r in tried if r.label == name)
        lines = [f"rejected {len(mine):,} of {made:,}"]
        if mine:
            lines.append(f"probability {score_of(mine[-1]):.2f} to {score_of(mine[0]):.2f}")
        strips.append((name, [mine[place] for place in evenly_spaced(list(range(len(mine))))], lines))
    keys = list(dict.fromkeys(record.key for _, mine, _ in strips for record in mine))
    images = _squares(files["rejected"], keys, side)
    rows = [Strip(name, [keys.index(record.key) for record in mine], lines) for name, mine, lines in strips]
    text = f"{plural(len(rejected), 'image')} rejected: the probability of their class is too low"
    save_sheet(output, images, rows, "Rejected images of {source}", text, heading)


def score_of(record: ImageRecord) -> float:
    """The probability of its class by which an image was rejected: the teacher's, or else CLIP's."""
    return record.teacher_score if record.teacher_scorer else record.clip_score


def _squares(shard: str | Path, keys: Sequence[str], side: int) -> np.ndarray:
    data = read_images(shard, keys)
    squares = [to_square(decode(data[key], side=side).image, side) for key in keys]
    return np.stack(squares) if squares else np.empty((0, side, side, 3), dtype=np.uint8)
