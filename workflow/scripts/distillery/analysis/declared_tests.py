"""The tests that a configuration's `comparisons` declare: which student is compared with which.

Every start of Snakemake counts them, so this module imports no pandas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sides:
    """The two (scenario, arm) of a test; the difference is `after` − `versus`."""

    versus: tuple[str, str]
    after: tuple[str, str]


def sides_of(declared: Mapping[str, Any]) -> Iterator[Sides]:
    """The tests of a declared comparison, in order: each other arm against the first, or the second scenario or student
    against the first."""
    if declared.get("students"):
        versus, after = (student.partition(".")[::2] for student in declared["students"])
        yield Sides(versus, after)
        return
    for place in declared["within"]:
        if declared.get("arms"):
            before, *others = declared["arms"]
            for after in others:
                yield Sides((place, before), (place, after))
        else:
            before, after = declared["scenarios"]
            yield Sides((before, place), (after, place))
