"""Train images that a scenario leaves out by its key `clean`, and a warning where these are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def warn_of_losses(
    scenario: str, table: Mapping[str, np.ndarray], flagged: np.ndarray, own_tests: Mapping[str, str | Path]
) -> None:
    """Warn of each source of which `clean` takes more than a tenth of the train images of a class.

    The warning tells what the teacher flags among its own test images of these classes: what it flags elsewhere is
    noise only as far as it is more.

    Args:
        scenario: its name.
        table: the splits.
        flagged: which of its images are flagged as label issues, bool [N].
        own_tests: the label audit of the teacher's own test images of each source's classes.
    """
    train = table["split"] == "train"
    for source in dict.fromkeys(table["source"][train & flagged].tolist()):
        mine = train & (table["source"] == source)
        own, losses = _flagged_fractions(own_tests.get(source)), []
        for name in dict.fromkeys(table["class"][mine & flagged].tolist()):
            of_class = mine & (table["class"] == name)
            lost, count = int((of_class & flagged).sum()), int(of_class.sum())
            if lost > MUCH * count:
                floor = f"{100 * own[name]:.0f} %" if name in own else "none known"
                losses.append(f"{name} {lost} of {count} ({100 * lost / count:.0f} %; own test {floor})")
        if losses:
            log.warning(
                "scenario %s: clean leaves out more than a tenth of the train images of source %s as label issues: %s."
                " Own test is what the teacher flags among its own test images: only more than that is noise",
                *(scenario, source, ", ".join(losses)),
            )


def _flagged_fractions(own_test: str | Path | None) -> dict[str, float]:
    """The fraction of the teacher's own test images of each class that it flags."""
    if own_test is None:
        return {}
    own = read_parquet(own_test, ("class", "is_label_issue"))
    return {
        name: float(own["is_label_issue"][own["class"] == name].mean()) for name in dict.fromkeys(own["class"].tolist())
    }
