"""The assignments that a study has made: group, split and rank of each image, kept for the next split.

So images keep their places when a source joins, when a refused class comes and when images are added or removed. The
file is no output of a job, since Snakemake deletes those before the job runs again. Without the file, every image is
assigned as if it were new.
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
SETTINGS = "settings"  # metadata of the table: the settings it was made with, as JSON


@dataclass(frozen=True)
class SplitSettings:
    """The settings that decide assignments; if one changes, all images are assigned anew.

    Attributes:
        seed: of the shuffled order.
        quotas: test and validation images requested of each class of a source. A source that was not there may join.
    """

    seed: int
    quotas: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, seed: int, quotas: Mapping[str, Quota]) -> SplitSettings:
        """The settings of a study with these quotas, refused classes included."""
        return cls(seed, {source: [quota.test, quota.val] for source, quota in quotas.items()})

    def change(self, now: SplitSettings) -> str:
        """What differs in the settings of now, in words; empty if nothing does."""
        if self.seed != now.seed:
            return f"split.seed was {self.seed} and is {now.seed}"
        for source, quota in now.quotas.items():
            for part, was, wanted in zip(("test", "val"), self.quotas.get(source, quota), quota, strict=True):
                if was != wanted:
                    return f"split.{part} was {was} images of each class of source {source}, and is {wanted}"
        return ""


@dataclass(frozen=True)
class Assignments:
    """What earlier splits assigned to the images of now; every array is [N], one entry an image.

    Attributes:
        group: int64; `NEW` for an image that is new.
        split: str; empty for an image that is new.
        rank: int32; −1 for an image that is new.
        removed: (source, label, split) → number of images that are there no more.
        sources: those that had quotas, whether they refused or not.
    """

    group: np.ndarray
    split: np.ndarray
    rank: np.ndarray
    removed: Mapping[tuple[str, int, str], int]
    sources: Sequence[str]

    @classmethod
    def none(cls, count: int) -> Assignments:
        """Of images that are all new."""
        return cls(np.full(count, NEW), np.full(count, "", dtype=object), np.full(count, -1, np.int32), {}, [])

    def where(self, chosen: np.ndarray) -> Assignments:
        """Those of a mask of images, bool [N]."""
        return Assignments(self.group[chosen], self.split[chosen], self.rank[chosen], self.removed, self.sources)

    @property
    def any(self) -> bool:
        """Whether any image is assigned."""
        return bool((self.group != NEW).any())


def read_assignments(
    path: str | Path, settings: SplitSettings, images: SplitCandidates, labels: Sequence[str]
) -> Assignments:
    """The earlier assignments of images; none if there is no file, or it was made with other settings.

    Args:
        path: written by `write_assignments`.
        settings: of now.
        images: of now.
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
        log.warning("%s is of another version: all images are assigned to splits anew", path)
        return none
    if change := was.change(settings):
        log.warning("%s: all images are assigned to splits anew, and trainings run again where theirs change", change)
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
    """Keep the assignments for the next split; the file is written whole or not at all.

    Args:
        path: the `.parquet` to write.
        settings: with which they were made.
        columns: of the table of splits.
        assigned: bool [N], which of its rows have a place.
    """
    kept = {name: np.asarray(columns[name])[assigned] for name in ASSIGNMENTS_SCHEMA.names}
    metadata = {SETTINGS: json.dumps(vars(settings), sort_keys=True)}
    write_parquet(path, kept, ASSIGNMENTS_SCHEMA.with_metadata(metadata))
