"""Scores of generated images: the probability, by a network, that an image shows the class it was generated for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from distillery.jobs import progress
from distillery.storage.records import TEXT_LENGTHS, ImageRecord
from distillery.storage.retrieved.store import Store
from distillery.storage.texts import clean_text

BATCH = 64  # images at a time
Entries = list[tuple[ImageRecord, bytes | None]]


class Scorer(ABC):
    """Scores images and records the scores.

    Args:
        classes: the names of the classes to choose from.

    Attributes:
        by: prefix of its fields in records: `{by}_scorer` holds `name`, `{by}_score` the score.
    """

    by: str

    def __init__(self, classes: Sequence[str]):
        self.classes = list(classes)

    @property
    @abstractmethod
    def name(self) -> str:
        """Identifies what determines the scores: a network and its classes."""

    @abstractmethod
    def probabilities(self, images: Sequence[bytes]) -> np.ndarray:
        """Probability of every class for each image (encoded as JPEG or PNG): float [N, C], rows sum to 1."""

    def score_of(self, record: ImageRecord) -> float | None:
        """The score that this scorer gave an image; None if it has not scored it."""
        field = f"{self.by}_scorer"
        scored_by_this = getattr(record, field) == clean_text(self.name, TEXT_LENGTHS[field])  # as records store it
        return getattr(record, f"{self.by}_score") if scored_by_this else None

    def score(self, entries: Entries, store: Store) -> Entries:
        """Score images: fill the two fields of their records.

        Failures, and images that this scorer scored before, stay as they are. New scores go into the store, so that no
        image is scored twice.
        """
        fresh = [
            (i, data) for i, (record, data) in enumerate(entries) if data is not None and self.score_of(record) is None
        ]
        entries = list(entries)
        batches = [fresh[start : start + BATCH] for start in range(0, len(fresh), BATCH)]
        for batch in progress(batches, label="scoring", unit="batches"):
            found = self.probabilities([data for _, data in batch])
            for (i, data), row in zip(batch, found, strict=True):
                record = entries[i][0]
                probability = round(float(row[self.classes.index(record.label)]), 6)
                fields: dict[str, Any] = {f"{self.by}_scorer": self.name, f"{self.by}_score": probability}
                entries[i] = replace(record, **fields), data
                store.put(record.origin, *entries[i])
        return entries
