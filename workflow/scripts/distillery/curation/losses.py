"""Report what curation drops: a line for the terminal, and warnings of classes that lose half of their images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from distillery.jobs import log
from distillery.wording import plural, reason_kind

SHOWN = 4  # number of reasons that are shown, the most frequent first
NEAR_DUPLICATE = "near-duplicate"
# reasons of candidates that curation did not drop: without an image, or replaced by another one (`keep`)
ELSEWHERE = ("not retrieved", "refused", "rejected")


def loss_line(labels: Sequence[str], reasons: Sequence[str]) -> str:
    """How many candidates are kept and why the others are not: `14 of 18 candidates kept, fewest of class cat (6); …`.

    Args:
        labels: class of each candidate.
        reasons: reason of each candidate; empty if it is kept.
    """
    kept = Counter(dict.fromkeys(labels, 0))
    kept.update(label for label, reason in zip(labels, reasons, strict=True) if not reason)
    fewest = min(kept, key=lambda label: kept[label], default="")
    line = f"{kept.total()} of {plural(len(labels), 'candidate')} kept"
    if len(set(kept.values())) > 1:
        line += f", fewest of class {fewest} ({kept[fewest]})"
    lost = words_of_losses(reasons)
    return f"{line}; {lost}" if lost else line


def words_of_losses(reasons: Iterable[str]) -> str:
    """The most frequent reasons with their numbers: `58 conflicting labels, 5 not an image`; empty without losses."""
    counts = Counter(map(reason_kind, filter(None, reasons)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [
        plural(count, reason) if reason.endswith("duplicate") else f"{count:,} {reason}" for reason, count in ordered
    ]
    rest = len(parts) - SHOWN
    return ", ".join(parts[:SHOWN] + ([f"{plural(rest, 'other reason')}"] if rest > 0 else []))


def warn_of_dropped(source: str, labels: Sequence[str], reasons: Sequence[str]) -> None:
    """Warn of each class that loses half of its images or more; candidates that curation did not drop do not count.

    Args:
        source: its name, for the warning.
        labels, reasons: see `loss_line`.
    """
    for label in dict.fromkeys(labels):
        in_class = [reason for found, reason in zip(labels, reasons, strict=True) if found == label]
        in_class = [reason for reason in in_class if not reason.startswith(ELSEWHERE)]
        duplicates, kept = sum(NEAR_DUPLICATE in reason for reason in in_class), in_class.count("")
        usable = duplicates + kept
        if duplicates and duplicates >= usable / 2:
            log.warning(
                "class %s of source %s loses %d of its %d images as near-duplicates of each other or of another class:"
                " see its sheet of duplicates. If so similar images are wanted, set curation.duplicates: off",
                *(label, source, duplicates, usable),
            )
        elif in_class and kept <= len(in_class) / 2:
            log.warning(
                "class %s of source %s keeps %d of its %d images: %s. Each image's reason is in"
                " results/curated/%s.parquet",
                *(label, source, kept, len(in_class), words_of_losses(in_class), source),
            )
