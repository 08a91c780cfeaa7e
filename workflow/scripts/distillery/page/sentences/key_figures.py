"""The key figures on the page's first screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from distillery.analysis.formatting import signed
from distillery.display_names import display_name
from distillery.page.sentences.answer import highest_run
from distillery.page.sentences.comparison_sentences import compares_two_arms
from distillery.page.sentences.quoting import Tables, named_table
from distillery.wording import plural


@dataclass(frozen=True)
class KeyFigure:
    """One number of the first screen, with its name and a note."""

    name: str
    value: str
    note: str


def key_figures(tables: Tables) -> list[KeyFigure]:
    """The highest mean accuracy, and the mean difference of the first declared comparison of two arms."""
    return [*_highest(tables), *_difference(tables)]


def _highest(tables: Tables) -> Iterator[KeyFigure]:
    highest = highest_run(tables)
    yield KeyFigure("highest accuracy", f"{highest['mean_percent']} %", f"{highest['train']}, {highest.arm}")


def _difference(tables: Tables) -> Iterator[KeyFigure]:
    comparisons = named_table(tables, "comparisons")
    if not len(comparisons):
        return
    first = comparisons.groups("comparison")[0]
    if not compares_two_arms(first):
        return  # a mean over comparisons of different arms has no meaning
    row = first.first()
    mean = first.numbers("difference").mean()
    note = f"points, mean over {plural(len(first), 'scenario')}"
    yield KeyFigure(f"{row.arm} − {display_name(row['versus_arm'])}", signed(mean, 1), note)
