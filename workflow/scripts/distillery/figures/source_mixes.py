"""Groups scenarios that train on the same mix of sources but differ in size, so that a line can join them."""

from __future__ import annotations

import re

import pandas as pd

# count at the start of each part of a description; names may contain digits too
COUNT = re.compile(r"(?:^|(?<= \+ ))(\d[\d,]*) (each of )?")
TOLERANCE = 0.05  # difference of a source's fraction: a source may have had too few images


def source_mix(train: str) -> str:
    """The sources in a description of train images, without counts: `800 Google + 800 Bing` gives `Google + Bing`."""
    return COUNT.sub("", train)


def source_mixes(summary: pd.DataFrame) -> pd.Series:
    """Name of the mix of sources of each row.

    Scenarios of one mix differ only in the number of train images they request. Two scenarios that request the same
    number differ in something that the table does not contain, so they get separate mixes.

    Args:
        summary: rows of `summary.csv`.
    """
    mixes: list[list[dict]] = []
    for row in summary.drop_duplicates("scenario").to_dict("records"):
        mix = next((rows for rows in mixes if _belongs_to(rows, row)), None)
        if mix is None:
            mixes.append(mix := [])
        mix.append(row)
    firsts = [rows[0] for rows in mixes]
    names = [_mix_name(first, firsts[:i], firsts[i + 1 :]) for i, first in enumerate(firsts)]
    by_scenario = {row["scenario"]: name for rows, name in zip(mixes, names, strict=True) for row in rows}
    return summary["scenario"].map(by_scenario)


def _belongs_to(rows: list[dict], row: dict) -> bool:
    return _alike(rows[0], row) and all(other["n_train_requested"] != row["n_train_requested"] for other in rows)


def _alike(one: dict, other: dict) -> bool:
    if one["n_classes"] != other["n_classes"] or _cleaned(one) != _cleaned(other):
        return False
    return _proportional(one["train"], other["train"])


def _cleaned(row: dict) -> str:
    """How a scenario's images were cleaned, for the name of its mix; empty if they were not."""
    text = row["clean"] if isinstance(row["clean"], str) else ""  # a blank cell is read as NaN
    return text.replace("yes", "without flagged labels")


def _proportional(one: str, other: str) -> bool:
    """Whether two descriptions name the same sources in the same proportions, within `TOLERANCE`."""
    first, second = source_fractions(one), source_fractions(other)
    return first.keys() == second.keys() and all(abs(first[name] - second[name]) <= TOLERANCE for name in first)


def source_fractions(train: str) -> dict[str, float]:
    """The fraction of each source, and of altered copies, in a description of train images; they sum to 1."""
    counts: dict[str, int] = {}
    for part in train.split(" + "):
        found, names = COUNT.match(part), source_mix(part)
        number, each = found.groups() if found else ("1", None)
        counts |= dict.fromkeys(names.split(", ") if each else [names], int(number.replace(",", "")))
    return {name: count / sum(counts.values()) for name, count in counts.items()}


def _mix_name(first: dict, before: list[dict], after: list[dict]) -> str:
    """A mix's name: its sources, and what distinguishes it from other mixes of the same sources.

    That is the sources' percentages, the number of classes, the cleaning, or the scenario's name.

    Args:
        first: the mix's first scenario.
        before, after: first scenarios of the mixes before and after it.
    """
    name = source_mix(first["train"])
    same = [other for other in before + after if source_mix(other["train"]) == name]
    if not all(_proportional(first["train"], other["train"]) for other in same):
        fractions = source_fractions(first["train"])
        name = " + ".join(f"{100 * fraction:.0f} % {source}" for source, fraction in fractions.items())
    if any(other["n_classes"] != first["n_classes"] for other in same):
        name += f", {first['n_classes']} classes"
    if _cleaned(first) and any(_cleaned(other) != _cleaned(first) for other in same):
        name += f", {_cleaned(first)}"
    return f"{name}, {first['scenario']}" if any(_alike(first, other) for other in before) else name
