"""Store the group, split and rank of each image for the next split of the same study.

So images keep their split when a source is added, when a refused class becomes available, and when images are added or
removed. The file is no output of a job, because Snakemake deletes outputs before the job runs again. Without the file,
all images are assigned as new ones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from distillery.jobs import log
from distillery.splits.candidates import SplitCandidates
from distillery.splits.groups import NEW
from distillery.splits.quotas import Quota
from distillery.storage.parquet import read_metadata, read_parquet, write_parquet

ASSIGNMENTS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("class", pa.string()),
        ("key", pa.string()),
        ("group", pa.int64()),
        ("split", pa.string()),  # train, val, test, unused
        ("rank", pa.int32()),
    ]
)
SETTINGS = "settings"  # key of the table's metadata: the `SplitSettings` it was made with, as JSON


@dataclass(frozen=True)
class SplitSettings:
    """The settings that decide assignments; if one changes, all images are split again.

    Attributes:
        seed: of the shuffled order.
        quotas: source → test and validation images requested of each class. A new source is no change.
    """

    seed: int
    quotas: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, seed: int, quotas: Mapping[str, Quota]) -> SplitSettings:
        """The settings of a study.

        Args:
            seed: of the shuffled order.
            quotas: of all sources, including those that refused classes.
        """
        return cls(seed, {source: [quota.test, quota.val] for source, quota in quotas.items()})

    def change(self, now: SplitSettings) -> str:
        """What differs between these settings and the present ones, in words; empty if nothing does."""
        if self.seed != now.seed:
            return f"split.seed was {self.seed} and is {now.seed}"
        for source, quota in now.quotas.items():
            for part, was, wanted in zip(("test", "val"), self.quotas.get(source, quota), quota, strict=True):
                if was != wanted:
                    return f"split.{part} was {was} images of each class of source {source}, and is {wanted}"
        return ""


@dataclass(frozen=True)
class Assignments:
    """What earlier splits assigned to the present images. Every array is [N], one entry per image.

    Attributes:
        group: int64; `NEW` for a new image.
        split: str; empty for a new image.
        rank: int32; −1 for a new image.
        removed: (source, label, split) → number of images that no longer exist.
        sources: the sources that had quotas, including those that refused.
    """

    group: np.ndarray
    split: np.ndarray
    rank: np.ndarray
    removed: Mapping[tuple[str, int, str], int]
    sources: Sequence[str]

    @classmethod
    def none(cls, count: int) -> Assignments:
        """Assignments for `count` new images."""
        return cls(np.full(count, NEW), np.full(count, "", dtype=object), np.full(count, -1, np.int32), {}, [])

    def where(self, chosen: np.ndarray) -> Assignments:
        """The assignments of a mask of images, bool [N]."""
        return Assignments(self.group[chosen], self.split[chosen], self.rank[chosen], self.removed, self.sources)

    @property
    def any(self) -> bool:
        """Whether any image has been assigned before."""
        return bool((self.group != NEW).any())


def read_assignments(
    path: str | Path, settings: SplitSettings, images: SplitCandidates, labels: Sequence[str]
) -> Assignments:
    """The earlier assignments of images. All images are new if there is no file, or it was made with other settings.

    Args:
        path: written by `write_assignments`.
        settings: the present settings.
        images: the present images.
        labels: the study's classes in order.

    Raises:
        UserError: the file is damaged.
    """
    none = Assignments.none(len(images.key))
    try:
        was = SplitSettings(**json.loads(read_metadata(path).get(SETTINGS, "{}")))
        table = read_parquet(path, ASSIGNMENTS_SCHEMA.names)
    except FileNotFoundError:
        return none
    except (TypeError, ValueError):
        log.warning("%s was written by another version of Distillery: all images are split again", path)
        return none
    if change := was.change(settings):
        log.warning("%s: all images are split again, and students whose images change are trained again", change)
        return none
    columns: list[list[Any]] = [table[name].tolist() for name in ASSIGNMENTS_SCHEMA.names]
    known = {(source, name, key): rest for source, name, key, *rest in zip(*columns, strict=True)}
    places = zip(images.source.tolist(), (labels[label] for label in images.label), images.key.tolist(), strict=True)
    found = [known.pop(place, (NEW, "", -1)) for place in places]
    removed = Counter(
        (source, labels.index(name), split) for (source, name, _), (_, split, _) in known.items() if name in labels
    )
    if found:
        group, split, rank = (np.array(column) for column in zip(*found, strict=True))
        none = Assignments(group.astype(np.int64), split.astype(object), rank.astype(np.int32), {}, [])
    return Assignments(none.group, none.split, none.rank, removed, list(was.quotas))


def write_assignments(
    path: str | Path, settings: SplitSettings, columns: Mapping[str, Any], assigned: np.ndarray
) -> None:
    """Store the assignments for the next split. The file is written atomically.

    Args:
        path: the `.parquet` to write.
        settings: with which the assignments were made.
        columns: of the split table.
        assigned: bool [N], which of its rows to store.
    """
    kept = {name: np.asarray(columns[name])[assigned] for name in ASSIGNMENTS_SCHEMA.names}
    metadata = {SETTINGS: json.dumps(vars(settings), sort_keys=True)}
    write_parquet(path, kept, ASSIGNMENTS_SCHEMA.with_metadata(metadata))
