"""Parents: train images of another source from which generated images start (image-to-image)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from distillery.curation.decoding import decode, to_square
from distillery.jobs import UserError
from distillery.splits.refused_sources import read_refusals
from distillery.storage.parquet import read_parquet
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import read_images


@dataclass(frozen=True)
class ParentImages:
    """The images of a source that others may start from.

    Attributes:
        source: its name.
        shards: class → `.tar` of its pool.
        keys: class → keys of its train images, by rank.
        refused: classes that the source refused.
    """

    source: str
    shards: Mapping[str, str | Path]
    keys: Mapping[str, Sequence[str]]
    refused: frozenset[str] = frozenset()

    def key_of(self, label: str, index: int) -> str:
        """The key of the parent of image `index` of a class. Parents are used in turn, so that all are used equally."""
        return self.keys[label][index % len(self.keys[label])]


def train_images_of(
    source: str, labels: Sequence[str], splits: str | Path, refusals: str | Path, shards: Sequence[str | Path]
) -> ParentImages:
    """A source's train images, without any near-duplicates of test and validation images.

    Args:
        source: its name.
        labels: its classes.
        splits: written by `split_images`.
        refusals: written by `split_images`.
        shards: the `.tar` of each class.

    Raises:
        UserError: a class has no train images, although the source did not refuse it.
    """
    refused = frozenset(read_refusals(refusals).get(source, {}))
    table = read_parquet(splits, ("source", "class", "key", "split", "rank"))
    usable = (table["source"] == source) & (table["split"] == "train")
    keys = {}
    for label in labels:
        rows = np.flatnonzero(usable & (table["class"] == label))
        keys[label] = table["key"][rows[np.argsort(table["rank"][rows])]].tolist()
        if not keys[label] and label not in refused:
            raise UserError(
                f"source {source}: class {label} has no train images to start from. Retrieve more (per_class), or lower"
                " its counts in split.test and split.val."
            )
    return ParentImages(source, dict(zip(labels, shards, strict=True)), keys, refused)


def parents_of_job(source: Mapping[str, Any], labels: Iterable[str], files: Mapping[str, Any]) -> ParentImages | None:
    """The parents of a configured source's images; None if they start from noise alone.

    Args:
        source: the source in the configuration.
        labels: its classes in order.
        files: of the job: `splits`, `refusals` and the list `parents` (the shards), see `train_images_of`.
    """
    if "from" not in source:
        return None
    return train_images_of(source["from"]["source"], list(labels), files["splits"], files["refusals"], files["parents"])


def read_starts(records: Sequence[ImageRecord], shards: Mapping[str, str | Path]) -> list[Image.Image]:
    """The images from which some records start: one RGB square of the record's size for each record.

    Args:
        records: each with a parent and a size.
        shards: class → `.tar` of the parent's pool.

    Raises:
        UserError: a pool or an image does not exist.
    """
    data: dict[str, bytes] = {}
    for label in {record.label for record in records}:
        wanted = {record.parent for record in records if record.label == label}
        try:
            data |= read_images(shards[label], wanted)
        except FileNotFoundError:
            raise UserError(f"pool {shards[label]} does not exist: its images are needed to start from.") from None
        if lost := sorted(wanted - data.keys()):
            raise UserError(f"pool {shards[label]} has no image {lost[0]}, which is needed to start from.")
    decoded = {(r.parent, r.size): to_square(decode(data[r.parent], side=r.size).image, r.size) for r in records}
    return [Image.fromarray(decoded[record.parent, record.size]) for record in records]
