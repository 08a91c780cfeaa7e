"""The images that a study may use: those kept by curation, of all sources."""

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
    """The kept images of all sources; every array is [N], one entry an image."""

    source: np.ndarray  # str
    row: np.ndarray  # int
    label: np.ndarray  # int
    key: np.ndarray  # str

    def where(self, chosen: np.ndarray) -> SplitCandidates:
        """Those of a mask, bool [N]."""
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
    """Sort key of an image key in the shuffled order of a seed."""
    return hashlib.sha256(f"{seed} {key}".encode()).digest()


def shuffled_order(images: SplitCandidates, seed: int) -> np.ndarray:
    """Indices of the images in the shuffled order of a seed, which never depends on the order of the input: int64 [N].

    Equal keys (one image in two sources) are ordered by source.
    """
    rank = np.array([shuffled_rank(seed, key) for key in images.key.tolist()], dtype="S32")
    return np.lexsort((images.label, images.source, rank))


def without_leaked(images: SplitCandidates, leakage: str | Path) -> SplitCandidates:
    """The candidates without near-duplicates of images that the teacher trained on.

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
