"""Explain in a message why a class of a source has too few images, and what the user can do.

The remedy depends on whether images were found and then dropped, or never found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from distillery.storage.parquet import read_parquet
from distillery.wording import reason_kind

NONE: Mapping[str, int] = MappingProxyType({})
SHOWN = 4  # number of reasons in a message, the most frequent first
# reasons in addition to those of curation
LEAKED, FLAGGED, UNUSED, IN_OTHER_SOURCE = "leaked", "flagged", "unused", "in another source"
OTHER_KIND = "other kind"
LINKING = "linking"  # see `group_with_earlier`
# reason → words that follow the number of its images
WORDS = {
    "too small": "smaller than curation.min_side ({min_side})",
    "near-duplicate": "near-duplicates of others",
    "exact duplicate": "exact duplicates of others",
    "conflicting labels": "with conflicting labels",
    "not an image": "no images",
    "format not read": "in a format that is not read",
    "too many pixels": "of too many pixels",
    "too many scans": "of too many scans",
    "teacher unsure": "of which the teacher is unsure (threshold)",
    LEAKED: "near-duplicates of the teacher's train images (split.leakage: drop)",
    FLAGGED: "flagged by the teacher as label issues (clean: true)",
    OTHER_KIND: "of other kinds than clean.kinds",
    UNUSED: "near-duplicates of test or validation images",
    LINKING: "near-duplicates of images of two groups",
    "rejected": "rejected by the source's keep",
    IN_OTHER_SOURCE: "near-duplicates of images of the scenario's other sources",
}
REPLACE = "Replace these files, or add images of {label}"
DIFFERENT = "Add images of {label} that differ more"
# reason → what to do if it is the most frequent one
REMEDIES = {
    "too small": "Lower curation.min_side, or add larger images of {label}",
    "near-duplicate": DIFFERENT + ", or set curation.duplicates: off",
    "exact duplicate": DIFFERENT,
    "conflicting labels": "Give {label} images that no other class has",
    **dict.fromkeys(("broken", "blank", "not an image", "unreadable", "too large"), REPLACE),
    **dict.fromkeys(("too many pixels", "too many scans", "too slow to decode"), REPLACE),
    "format not read": "Convert these files to JPEG or PNG, or add images of {label}",
    "teacher unsure": "Lower the source's threshold, or add images of {label}",
    LEAKED: "Give the teacher other images than these, or set split.leakage: report",
    FLAGGED: "Add images of {label}, or set clean: false",
    "rejected": "Lower the source's keep.at_least, or raise its keep.tries",
    OTHER_KIND: "Add photos of {label}, or leave out clean.kinds",
    UNUSED: DIFFERENT,
    LINKING: DIFFERENT,
    IN_OTHER_SOURCE: "Add images of {label} that the other sources lack",
}


@dataclass(frozen=True)
class ShortfallReport:
    """Explains shortfalls of one split or plan.

    Attributes:
        tables: curated table of each source. Without it, the source's dropped images are not explained.
        curation: the configuration's section `curation`.
        shortfall: the configured behavior, "error" or "shrink".
        assignments: the file of earlier assignments; empty if there are none.
        limits: the key per_class of each source; sources without a limit may be missing or have 0.
    """

    tables: Mapping[str, str | Path]
    curation: Mapping[str, int]
    shortfall: str
    assignments: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)

    def explanation(self, source: str, label: str, present: int, left_out: Mapping[str, int] = NONE) -> str:
        """`; 300 candidates, 300 smaller than curation.min_side (32)`; empty if no image was dropped or left out.

        Args:
            source, label: the source, and the class that has too few images.
            present: number of its images in the split table. Kept images that are missing there are leaked images.
            left_out: reason → number of its images in the split table that cannot be used.
        """
        candidates = self._candidates(source, label)
        lost = _lost(candidates, present, left_out)
        if not lost:
            return ""
        parts = [f"{count:,} {WORDS.get(reason, reason).format(**self.curation)}" for reason, count in lost[:SHOWN]]
        if rest := sum(count for _, count in lost[SHOWN:]):
            parts.append(f"{rest:,} for other reasons")
        total = [f"{candidates.total():,} candidates"] if candidates else []
        return f"; {', '.join(total + parts)}"

    def remedy(self, source: str, label: str, missing: int, present: int, left_out: Mapping[str, int] = NONE) -> str:
        """What the user can do, as a sentence without a full stop.

        Args:
            missing: number of images that the class lacks.
            source, label, present, left_out: see `explanation`.
        """
        lost = _lost(self._candidates(source, label), present, left_out)
        remedy = "Add queries, prompts or images for {label}"
        if sum(count for _, count in lost) >= missing > 0:  # enough images were found, but dropped
            remedy = REMEDIES.get(lost[0][0], remedy)
        if more := self.limit_to_raise(source, label, present, left_out):
            remedy = more
        shrinks = self.shortfall == "shrink"
        lower = ", or lower the count" if shrinks else ", lower the count, or set split.shortfall: shrink"
        again = f". Or delete {self.assignments}: all images are then split again" if self.assignments else ""
        return remedy.format(label=label) + lower + again

    def limit_to_raise(self, source: str, label: str, present: int, left_out: Mapping[str, int] = NONE) -> str:
        """`Raise sources.bing.per_class (600)` if that would probably give more images; else empty.

        That is the case if the class has as many images as the limit allows, and more than half of them can be used.
        """
        limit = self.limits.get(source, 0)
        if not limit or source not in self.tables or self._images(source, label) < limit:
            return ""
        lost = sum(count for _, count in _lost(self._candidates(source, label), present, left_out))
        return f"Raise sources.{source}.per_class ({limit})" if lost < limit / 2 else ""

    def for_more(self, source: str, label: str, present: int, left_out: Mapping[str, int] = NONE) -> str:
        """`limit_to_raise` as the end of a warning: `. Raise sources.bing.per_class (600) for more`; or empty."""
        more = self.limit_to_raise(source, label, present, left_out)
        return f". {more} for more" if more else ""

    def _images(self, source: str, label: str) -> int:
        """Number of different images in a class's pool."""
        table = read_parquet(self.tables[source], ("class", "sha256"))
        return len(set(table["sha256"][table["class"] == label].tolist()) - {""})

    def _candidates(self, source: str, label: str) -> Counter[str]:
        """Reason of dropping → number of candidates of a class; the reason of kept candidates is empty."""
        if source not in self.tables:
            return Counter()
        table = read_parquet(self.tables[source], ("class", "kept", "reason"))
        in_class = table["class"] == label
        reasons = np.where(table["kept"][in_class].astype(bool), "", table["reason"][in_class])
        return Counter(reason_kind(str(reason)) for reason in reasons)


def _lost(candidates: Counter[str], present: int, left_out: Mapping[str, int]) -> list[tuple[str, int]]:
    """Each reason with its number of lost images, the most frequent first."""
    counts = Counter({reason: count for reason, count in candidates.items() if reason})
    counts += Counter(left_out) + Counter({LEAKED: candidates[""] - present})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
