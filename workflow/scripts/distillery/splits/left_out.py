"""Train images that a scenario leaves out by its key `clean`, and a warning where these are many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from distillery.jobs import log
from distillery.storage.parquet import read_parquet

MUCH = 0.1  # of the train images of a class


def find_flagged(table: Mapping[str, np.ndarray], audits: Sequence[str | Path]) -> np.ndarray:
    """Which rows of the splits table the audits flag as label issues, bool [N]."""
    places = set()
    for path in audits:
        audit = read_parquet(path, ("source", "row", "is_label_issue"))
        flagged = audit["is_label_issue"].astype(bool)
        places |= set(zip(audit["source"][flagged].tolist(), audit["row"][flagged].tolist(), strict=True))
    known = zip(table["source"].tolist(), table["row"].tolist(), strict=True)
    return np.array([place in places for place in known], dtype=bool)


def find_other_kinds(
    table: Mapping[str, np.ndarray], curated: Mapping[str, str | Path], kinds: Sequence[str]
) -> np.ndarray:
    """Which rows of the splits table are images of another kind than some, as curation found it: bool [N].

    Args:
        curated: by source its curated table. Images of other sources are of no other kind.
        kinds: those wanted; empty for all.
    """
    found = np.zeros(len(table["row"]), dtype=bool)
    for source, path in curated.items() if kinds else ():
        columns = read_parquet(path, ("row", "image_kind"))
        other = columns["row"][(columns["row"] >= 0) & ~np.isin(columns["image_kind"], list(kinds))]
        found |= (table["source"] == source) & np.isin(table["row"], other)
    return found


def warn_of_losses(
    scenario: str, table: Mapping[str, np.ndarray], flagged: np.ndarray, own_tests: Mapping[str, str | Path]
) -> None:
    """Warn of each source of which `clean` takes more than a tenth of the train images of a class as label issues.

    The warning tells what the teacher flags among its own test images of these classes: what it flags elsewhere is
    noise only as far as it is more.

    Args:
        scenario: its name.
        table: the splits.
        flagged: which of its images are flagged as label issues, bool [N].
        own_tests: the label audit of the teacher's own test images of each source's classes.
    """
    for source, losses in _large_losses(table, flagged):
        own = _flagged_fractions(own_tests.get(source))
        words = [
            f"{name} {words}; own test {100 * own[name]:.0f} %)" if name in own else f"{name} {words}; own test none)"
            for name, words in losses.items()
        ]
        log.warning(
            "scenario %s: clean leaves out more than a tenth of the train images of source %s as label issues: %s."
            " Own test is what the teacher flags among its own test images: only more than that is noise",
            *(scenario, source, ", ".join(words)),
        )


def warn_of_other_kinds(scenario: str, table: Mapping[str, np.ndarray], other: np.ndarray) -> None:
    """Warn of each source of which `clean` takes more than a tenth of the train images of a class as other kinds.

    Args:
        scenario, table: see `warn_of_losses`.
        other: which images of the splits are of another kind, bool [N].
    """
    for source, losses in _large_losses(table, other):
        log.warning(
            "scenario %s: clean leaves out more than a tenth of the train images of source %s as other kinds of image:"
            " %s. Curation mistakes one photo in a hundred: see results/figures/kinds_%s.png",
            *(scenario, source, ", ".join(f"{name} {words})" for name, words in losses.items()), source),
        )


def _large_losses(table: Mapping[str, np.ndarray], lost: np.ndarray) -> Iterator[tuple[str, dict[str, str]]]:
    """Each source, and of its classes that lose much of their train images how much: `3 of 10 (30 %`."""
    train = table["split"] == "train"
    for source in dict.fromkeys(table["source"][train & lost].tolist()):
        mine, found = train & (table["source"] == source), {}
        for name in dict.fromkeys(table["class"][mine & lost].tolist()):
            of_class = mine & (table["class"] == name)
            count, all_count = int((of_class & lost).sum()), int(of_class.sum())
            if count > MUCH * all_count:
                found[name] = f"{count} of {all_count} ({100 * count / all_count:.0f} %"
        if found:
            yield source, found


def _flagged_fractions(own_test: str | Path | None) -> dict[str, float]:
    """The fraction of the teacher's own test images of each class that it flags."""
    if own_test is None:
        return {}
    own = read_parquet(own_test, ("class", "is_label_issue"))
    return {
        name: float(own["is_label_issue"][own["class"] == name].mean()) for name in dict.fromkeys(own["class"].tolist())
    }
