"""The page's answer: the first declared comparison, and which scenarios and arms may be the best."""

from __future__ import annotations

from collections.abc import Iterator

from distillery.analysis.table_files import run_rows
from distillery.display_names import lacking_text
from distillery.page.comparison_sentences import comparison_answer
from distillery.page.quoting import NamedTable, Quoted, Sentence, TableRow, Tables, named_table, say

NAMED = 6  # scenarios and arms that a sentence names, at most


def highest_run(tables: Tables) -> TableRow:
    """The summary's row with the highest mean among those with the most classes, because fewer classes are easier.

    It is no winner: others may not be significantly worse.
    """
    summary = named_table(tables, "summary")
    classes = summary.numbers("n_classes")
    return summary.where(classes == classes.max()).highest("mean_percent")


def export_target(tables: Tables) -> str:
    """The ONNX file, and so the Snakemake target, that exports a student of the highest mean accuracy."""
    highest = highest_run(tables)
    return f"results/models/{highest['scenario']}.{highest['arm']}.onnx"


def answer(tables: Tables) -> list[Sentence]:
    """The study's two questions answered: the first declared comparison, and what may be best at one size."""
    comparisons = named_table(tables, "comparisons")
    first = [comparison_answer(comparisons.groups("comparison")[0])] if len(comparisons) else []
    return [*first, *best_sets(tables)[:1], *_not_run(tables)]


def _not_run(tables: Tables) -> Iterator[Sentence]:
    """How many scenarios are not run, and why; what the common test lacks."""
    summary = NamedTable("summary", tables["summary"])  # with the scenarios that are not run
    scenarios = summary.where(~summary["scenario"].duplicated())
    not_run = scenarios.where(~scenarios.rows.index.isin(run_rows(scenarios.rows).index))
    if len(not_run):
        yield say(
            "Not run: {count} of {all} scenarios, because {reasons}.",
            count=summary.quote(len(not_run)),
            all=summary.quote(len(scenarios)),
            reasons=summary.quote("; ".join(dict.fromkeys(not_run["not_run"]))),
        )
    if "lacking" in summary.rows:
        yield say("{lacking}.", lacking=summary.quote(lacking_text(summary["lacking"].iloc[0])))


def best_sets(tables: Tables) -> list[Sentence]:
    """For each size, which scenarios and arms no other is significantly better than; those with the most classes.

    The size with the highest mean accuracy comes first.
    """
    ranking = named_table(tables, "ranking")
    classes = ranking.numbers("n_classes")
    families = ranking.where(classes == classes.max()).groups("size")
    return [_best_set(family) for family in sorted(families, key=lambda rows: -rows.numbers("mean_percent").max())]


def _best_set(family: NamedTable) -> Sentence:
    first = family.first()
    if len(family) == 1:
        return say(
            "Size {first[size]} has one combination of scenario and arm: {one}.", one=_named(family), first=first
        )
    if first["among_best"] == "":
        return say(
            "Size {first[size]}: one seed does not tell which of the {first[n_compared]} combinations of scenario and"
            " arm is best.",
            first=first,
        )
    best = family.where(family["among_best"] == "yes")
    verb = "is" if len(best) == 1 else "are"
    return say(
        "Size {first[size]}: {count} of the {first[n_compared]} combinations of scenario and arm {verb} not"
        " significantly worse than any other: {names}.",
        first=first, count=family.quote(len(best)), verb=family.quote(verb), names=_named(best),
    )  # fmt: skip


def _named(rows: NamedTable) -> Quoted:
    """Scenarios and arms with their accuracies, the highest first; only the first ones of many."""
    order = rows.numbers("mean_percent").sort_values(ascending=False, kind="stable").index
    found = [rows.row(label) for label in order]
    names = [f"{row['scenario']} {row.arm} ({row['mean_percent']} %)" for row in found[:NAMED]]
    if len(found) > NAMED:
        names.append(f"and {len(found) - NAMED} more")
    return rows.quote(", ".join(names))
