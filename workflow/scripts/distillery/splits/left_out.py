"""Find the train images that a scenario leaves out by its key `clean`; warnings of many, and of rare classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from distillery.jobs import log
from distillery.storage.parquet import read_parquet

RARE = 0.25  # of the mean number of images of a class; a class with fewer is worth a warning
MUCH = 0.1  # fraction of a class's train images; more than that is worth a warning


def find_flagged(table: Mapping[str, np.ndarray], audits: Sequence[str | Path]) -> np.ndarray:
    """Which rows of the split table the label audits flag as issues: bool [N]."""
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
    """Which rows of the split table are images of unwanted kinds, as curation classified them: bool [N].

    Args:
        table: the split table.
        curated: the curated table of each source. Images of sources without a table count as wanted.
        kinds: the wanted kinds; empty for all.
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
    """Warn of sources that lose more than a tenth of a class's train images as label issues.

    The warning also says what fraction the teacher flags among its own test images, whose labels are right. Only a
    larger fraction is a sign of wrong labels.

    Args:
        scenario: its name, for the warning.
        table: the split table.
        flagged: which of its rows are flagged as label issues, bool [N].
        own_tests: by source the label audit of the teacher's own test images of the source's classes.
    """
    for source, losses in _large_losses(table, flagged):
        own = _flagged_fractions(own_tests.get(source))
        words = [
            f"{name} {words}; own test {100 * own[name]:.0f} %)" if name in own else f"{name} {words}; no own test)"
            for name, words in losses.items()
        ]
        log.warning(
            "scenario %s: clean leaves out more than a tenth of the train images of source %s as label issues: %s."
            " Own test: the fraction that the teacher flags among its own test images. Only what exceeds it is a sign"
            " of wrong labels",
            *(scenario, source, ", ".join(words)),
        )


def warn_of_other_kinds(scenario: str, table: Mapping[str, np.ndarray], other: np.ndarray) -> None:
    """Warn of sources that lose more than a tenth of a class's train images as images of unwanted kinds.

    Args:
        scenario, table: see `warn_of_losses`.
        other: which rows of the split table are of unwanted kinds, bool [N].
    """
    for source, losses in _large_losses(table, other):
        log.warning(
            "scenario %s: clean leaves out more than a tenth of the train images of source %s as other kinds of image:"
            " %s. Curation misclassifies about one photo in a hundred: see results/figures/kinds_%s.png",
            *(scenario, source, ", ".join(f"{name} {words})" for name, words in losses.items()), source),
        )


def _large_losses(table: Mapping[str, np.ndarray], lost: np.ndarray) -> Iterator[tuple[str, dict[str, str]]]:
    """Each source that loses many train images, and by class how many: `3 of 10 (30 %`, for the caller to close.

    Args:
        table: the split table.
        lost: which of its rows are left out, bool [N].
    """
    train = table["split"] == "train"
    for source in dict.fromkeys(table["source"][train & lost].tolist()):
        in_source, found = train & (table["source"] == source), {}
        for name in dict.fromkeys(table["class"][in_source & lost].tolist()):
            in_class = in_source & (table["class"] == name)
            count, total = int((in_class & lost).sum()), int(in_class.sum())
            if count > MUCH * total:
                found[name] = f"{count} of {total} ({100 * count / total:.0f} %"
        if found:
            yield source, found


def _flagged_fractions(own_test: str | Path | None) -> dict[str, float]:
    """By class the fraction of the teacher's own test images that it flags, 0 to 1; empty without an audit."""
    if own_test is None:
        return {}
    own = read_parquet(own_test, ("class", "is_label_issue"))
    return {
        name: float(own["is_label_issue"][own["class"] == name].mean()) for name in dict.fromkeys(own["class"].tolist())
    }


def warn_of_rare_classes(scenario: str, source: str, taken: np.ndarray, classes: Sequence[str]) -> None:
    """Warn if images that are taken regardless of class have few of some class.

    A student that is distilled on them learns to prefer the others.

    Args:
        scenario, source: names, for the warning.
        taken: the class of each image taken, according to the teacher, str [N].
        classes: all of the source.
    """
    counts = {name: int((taken == name).sum()) for name in classes}
    rare = {name: count for name, count in counts.items() if count < RARE * len(taken) / len(classes)}
    if rare:
        log.warning(
            "scenario %s: of %d images of source %s the teacher takes few for %s. A student distilled on these images"
            " learns rare classes badly; labels: teacher takes equally many of each class",
            *(scenario, len(taken), source, ", ".join(f"{name} ({count})" for name, count in rare.items())),
        )
