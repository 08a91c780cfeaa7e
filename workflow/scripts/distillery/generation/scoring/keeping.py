"""Keeps generated images whose class is probable enough, and rejects the others: `keep` of a diffusion source.

The record of a rejected image gets the reason as its failure, and another image is generated in its place. The store
keeps it with its score, so that after a change of the limit no image is generated twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distillery.generation.scoring.scores import Entries, Scorer
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import write_pool

REJECTED = "rejected"  # first word of the reason; the score follows after a colon


@dataclass(frozen=True)
class KeepRule:
    """Which images are kept.

    Attributes:
        scorer: gives an image the probability of its class.
        at_least: the smallest probability to keep, above 0 to 1.
        tries: maximum of images generated for each one requested.
    """

    scorer: Scorer
    at_least: float
    tries: int

    @classmethod
    def of(cls, source: Mapping[str, Any], scorers: Iterable[Scorer]) -> KeepRule | None:
        """The rule of a configured source; None if it keeps all images.

        Args:
            source: the source in the configuration.
            scorers: of the source, including the one that `keep` names.
        """
        if not (keep := source.get("keep")):
            return None
        by_name = {scorer.by: scorer for scorer in scorers}
        return cls(by_name[keep["by"]], keep["at_least"], keep["tries"])

    def rejection(self, record: ImageRecord) -> str:
        """Why an image is rejected; empty if it is kept or not yet scored."""
        score = self.scorer.score_of(record)
        if score is None or score >= self.at_least:
            return ""
        return f"{REJECTED}: {self.scorer.by} {score:.3f}, at least {self.at_least:g}"


class RejectedImages:
    """Collects rejected images in a pool of their own, so that the pools of the classes hold only kept images.

    Args:
        shard, records: the `.tar` and `.jsonl` to write; None for a source that keeps all images.
    """

    def __init__(self, shard: str | Path | None, records: str | Path | None):
        self.shard, self.records = shard, records
        self.entries: Entries = []

    def set_aside(self, pools: Iterable[tuple[str, Entries]]) -> Iterator[tuple[str, Entries]]:
        """Yield the pools with rejected images as failures: their records keep the reason, but no bytes."""
        for label, entries in pools:
            rejected = [(record, data) for record, data in entries if record.failure and data is not None]
            self.entries += [(replace(record, failure=""), data) for record, data in rejected]
            yield label, [(record, None if record.failure else data) for record, data in entries]

    def write(self) -> None:
        """Write the pool of rejected images."""
        if self.shard and self.records:
            write_pool(self.shard, self.records, self.entries)
