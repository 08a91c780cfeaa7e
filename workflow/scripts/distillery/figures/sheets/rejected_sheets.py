"""Sheets of generated images that a source's `keep` rejected."""

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
        files: `rejected` and `rejected_records`, shard and records of the pool of rejected images; and `records`, the
            records of all pools of the source.
        output: the PNG to write.
        heading: the text above the images.
        side: height and width of the drawn images, pixels.
    """
    tried = [record for path in files["records"] for record in read_records(path)]
    rejected = read_records(files["rejected_records"])
    strips: list[tuple[str, list[ImageRecord], list[str]]] = []
    for name in dict.fromkeys(record.label for record in tried):
        of_class = sorted((record for record in rejected if record.label == name), key=lambda r: (-score_of(r), r.key))
        made = sum(not r.failure or reason_kind(r.failure) == "rejected" for r in tried if r.label == name)
        lines = [f"rejected {len(of_class):,} of {made:,}"]
        if of_class:
            lines.append(f"probability {score_of(of_class[-1]):.2f} to {score_of(of_class[0]):.2f}")
        strips.append((name, [of_class[place] for place in evenly_spaced(list(range(len(of_class))))], lines))
    keys = list(dict.fromkeys(record.key for _, shown, _ in strips for record in shown))
    images = _squares(files["rejected"], keys, side)
    rows = [Strip(name, [keys.index(record.key) for record in shown], lines) for name, shown, lines in strips]
    text = f"{plural(len(rejected), 'image')} rejected: the probability of their class is too low"
    save_sheet(output, images, rows, "Rejected images of {source}", text, heading)


def score_of(record: ImageRecord) -> float:
    """The probability of its class by which an image was rejected: the teacher's if it has one, else CLIP's."""
    return record.teacher_score if record.teacher_scorer else record.clip_score


def _squares(shard: str | Path, keys: Sequence[str], side: int) -> np.ndarray:
    """Center squares of the images with these keys, uint8 [N, side, side, 3]."""
    data = read_images(shard, keys)
    squares = [to_square(decode(data[key], side=side).image, side) for key in keys]
    return np.stack(squares) if squares else np.empty((0, side, side, 3), dtype=np.uint8)
