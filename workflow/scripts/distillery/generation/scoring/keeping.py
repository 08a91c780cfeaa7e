"""Choosing generated images by the probability of their class: `keep` of a diffusion source.

An image below the limit is rejected: its record gets the reason as its failure, and another image is generated for it.
The store keeps it with its score, so that another limit generates nothing again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distillery.generation.scoring.scores import Entries, Scorer
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import write_pool

REJECTED = "rejected"  # the reason, with the score after a colon


@dataclass(frozen=True)
class KeepRule:
    """Which images are kept.

    Attributes:
        scorer: gives an image the probability of its class.
        at_least: the least probability, above 0 to 1.
        tries: images generated at most, for each one requested.
    """

    scorer: Scorer
    at_least: float
    tries: int

    @classmethod
    def of(cls, source: Mapping[str, Any], scorers: Iterable[Scorer]) -> KeepRule | None:
        """The rule of a configured source; None if it keeps all images.

        Args:
            scorers: of the source; the one that `keep` names is among them.
        """
        if not (keep := source.get("keep")):
            return None
        by_name = {scorer.by: scorer for scorer in scorers}
        return cls(by_name[keep["by"]], keep["at_least"], keep["tries"])

    def rejection(self, record: ImageRecord) -> str:
        """Why an image that was scored is rejected; empty if it is kept, or was not scored."""
        score = self.scorer.score_of(record)
        if score is None or score >= self.at_least:
            return ""
        return f"{REJECTED}: {self.scorer.by} {score:.3f}, at least {self.at_least:g}"


class RejectedImages:
    """Sets rejected images aside into a pool of their own, so that the pools of the classes hold kept images alone.

    Args:
        shard, records: the `.tar` and `.jsonl` to write; None for a source that keeps all images.
    """

    def __init__(self, shard: str | Path | None, records: str | Path | None):
        self.shard, self.records = shard, records
        self.entries: Entries = []

    def set_aside(self, pools: Iterable[tuple[str, Entries]]) -> Iterator[tuple[str, Entries]]:
        """The pools, in which a rejected image is a record with its reason and without bytes, as any other failure."""
        for label, entries in pools:
            rejected = [(record, data) for record, data in entries if record.failure and data is not None]
            self.entries += [(replace(record, failure=""), data) for record, data in rejected]
            yield label, [(record, None if record.failure else data) for record, data in entries]

    def write(self) -> None:
        """Write the pool."""
        if self.shard and self.records:
            write_pool(self.shard, self.records, self.entries)
