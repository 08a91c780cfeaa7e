"""Load the images that a study may use: those that curation kept, of all sources."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distillery.jobs import log
from distillery.storage.parquet import read_parquet


@dataclass(frozen=True)
class SplitCandidates:
    """The kept images of all sources. Every array is [N], one entry per image."""

    source: np.ndarray  # str
    row: np.ndarray  # int32, in the source's array of images
    label: np.ndarray  # int16, index into the study's classes
    key: np.ndarray  # str, see `curated.CURATED_SCHEMA`

    def where(self, chosen: np.ndarray) -> SplitCandidates:
        """The images of a mask, bool [N]."""
        return SplitCandidates(**{name: values[chosen] for name, values in vars(self).items()})


def load_candidates(tables: Mapping[str, str | Path], classes: Sequence[str]) -> SplitCandidates:
    """Read the kept images from the curated tables.

    Args:
        tables: curated table of each source.
        classes: the study's classes in order; a label is an index into them.
    """
    columns = ("class", "kept", "row", "key")
    parts: list[dict[str, np.ndarray]] = []
    for source, path in tables.items():
        table = read_parquet(path, columns)
        kept = table["kept"].astype(bool)
        part = {name: values[kept] for name, values in table.items()}
        parts.append(part | {"source": np.full(kept.sum(), source, dtype=object)})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in (*columns, "source")}
    labels = {name: label for label, name in enumerate(classes)}
    return SplitCandidates(
        source=joined["source"].astype(str),
        row=joined["row"].astype(np.int32),
        label=np.array([labels[name] for name in joined["class"]], dtype=np.int16),
        key=joined["key"].astype(str),
    )


def shuffled_rank(seed: int, key: str) -> bytes:
    """The sort key of an image in the shuffled order of a seed: a hash of the seed and the image's key."""
    return hashlib.sha256(f"{seed} {key}".encode()).digest()


def shuffled_order(images: SplitCandidates, seed: int) -> np.ndarray:
    """Indices of the images in the shuffled order of a seed: int64 [N]. It does not depend on the order of the input.

    Images with the same key (one image in two sources) are ordered by source.
    """
    rank = np.array([shuffled_rank(seed, key) for key in images.key.tolist()], dtype="S32")
    return np.lexsort((images.label, images.source, rank))


def without_leaked(images: SplitCandidates, leakage: str | Path) -> SplitCandidates:
    """The images that are not near-duplicates of images that the teacher was trained on.

    Args:
        leakage: table of `find_leakage`.
    """
    table = read_parquet(leakage, ("source", "row", "teacher_split"))
    trained = table["teacher_split"] == "train"
    leaked = set(zip(table["source"][trained].tolist(), table["row"][trained].tolist(), strict=True))
    known = zip(images.source.tolist(), images.row.tolist(), strict=True)
    keep = np.array([place not in leaked for place in known], dtype=bool)
    log.info(
        "%d of %d images are left out: near-duplicates of images that the teacher trained on", (~keep).sum(), len(keep)
    )
    return images.where(keep)
