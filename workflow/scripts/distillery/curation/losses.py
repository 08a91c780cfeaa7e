"""What curation drops, in words: a line for the terminal, and warnings of classes that lose half of their images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from distillery.jobs import log
from distillery.wording import plural, reason_kind

SHOWN = 4  # reasons, the most frequent first
NEAR_DUPLICATE = "near-duplicate"
ELSEWHERE = ("not retrieved", "refused")  # reasons of candidates that curation never saw


def loss_line(labels: Sequence[str], reasons: Sequence[str]) -> str:
    """How many candidates are kept and why the others are not: `14 of 18 candidates kept, of class cat 6; 2 broken, …`.

    Args:
        labels: class of each candidate.
        reasons: of the same candidates; empty if kept.
    """
    kept = Counter(dict.fromkeys(labels, 0))
    kept.update(label for label, reason in zip(labels, reasons, strict=True) if not reason)
    fewest = min(kept, key=lambda label: kept[label], default="")
    line = f"{kept.total()} of {plural(len(labels), 'candidate')} kept"
    if len(set(kept.values())) > 1:
        line += f", of class {fewest} {kept[fewest]}"
    lost = words_of_losses(reasons)
    return f"{line}; {lost}" if lost else line


def words_of_losses(reasons: Iterable[str]) -> str:
    """`58 conflicting labels, 5 not an image`: the most frequent reasons with their numbers; empty for no losses."""
    counts = Counter(map(reason_kind, filter(None, reasons)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [
        plural(count, reason) if reason.endswith("duplicate") else f"{count:,} {reason}" for reason, count in ordered
    ]
    rest = len(parts) - SHOWN
    return ", ".join(parts[:SHOWN] + ([f"{plural(rest, 'other reason')}"] if rest > 0 else []))


def warn_of_dropped(source: str, labels: Sequence[str], reasons: Sequence[str]) -> None:
    """Warn of each class that loses half of its images or more; those that were never retrieved do not count."""
    for label in dict.fromkeys(labels):
        mine = [reason for found, reason in zip(labels, reasons, strict=True) if found == label]
        mine = [reason for reason in mine if not reason.startswith(ELSEWHERE)]
        alike = sum(NEAR_DUPLICATE in reason for reason in mine)
        usable = alike + mine.count("")
        if alike and alike >= usable / 2:
            log.warning(
                "class %s of source %s loses %d of its %d images as near-duplicates of each other or of another class:"
                " see its sheet of duplicates. If its images may be so alike, set curation.duplicates: off",
                *(label, source, alike, usable),
            )
        elif mine and mine.count("") <= len(mine) / 2:
            log.warning(
                "class %s of source %s keeps %d of its %d images: %s. Each image's reason is in"
                " results/curated/%s.parquet",
                *(label, source, mine.count(""), len(mine), words_of_losses(mine), source),
            )
