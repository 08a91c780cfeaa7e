"""Counts of images from candidates to splits, for the page's sketch of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from distillery.analysis.table_files import run_rows
from distillery.display_names import source_title
from distillery.page.sentences.quoting import Tables, numbers

COUNTED = ("candidates", "retrieved", "kept", "train", "val", "test")
REMOVED, UNSURE = "corrupt and duplicate ones removed", ", and those of which the teacher is unsure"


@dataclass(frozen=True)
class Flow:
    """Counts of a study.

    Attributes:
        sources: a row per source, with its title and the counts of `COUNTED`, as text.
        totals: sums over the sources, by column.
        removed: what the images are that are not kept.
        students: number of trainings.
        scenarios: number of scenarios that are run.
        teacher_percent: the teacher's accuracy on its own test images; empty if it has none.
    """

    sources: list[dict[str, str]]
    totals: dict[str, str]
    removed: str
    students: str
    scenarios: str
    teacher_percent: str


def flow(tables: Tables, titles: Mapping[str, str]) -> Flow:
    """The counts, from `counts.csv`, `summary.csv` and `teacher.csv`."""
    counts, summary, teacher = tables["counts"], run_rows(tables["summary"]), tables["teacher"]
    named = [name for name in COUNTED if name in counts]
    sums = counts[["source", *named]].set_index("source").apply(numbers).groupby(level=0, sort=False).sum()
    own = teacher[(teacher["test"] == "own") & (teacher["class"] == "all")]["accuracy_percent"]
    return Flow(
        sources=[
            {"source": source_title(str(source), titles)} | {name: _count(row[name]) for name in named}
            for source, row in sums.iterrows()
        ],
        totals={name: _count(sums[name].sum()) for name in named},
        removed=REMOVED + UNSURE * ("dropped_teacher_unsure" in counts),
        students=_count(numbers(summary["n_seeds"]).sum()) if "n_seeds" in summary else "",
        scenarios=str(summary["scenario"].nunique()),
        teacher_percent=str(own.iloc[0]) if len(own) else "",
    )


def _count(number: float) -> str:
    return f"{int(number):,}"
