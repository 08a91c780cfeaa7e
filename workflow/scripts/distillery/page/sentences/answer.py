"""The sentences at the top of the page: the first declared comparison, and which scenarios and arms may be the best."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from distillery.analysis.table_files import run_rows
from distillery.display_names import lacking_text
from distillery.page.sentences.comparison_sentences import comparison_answer
from distillery.page.sentences.quoting import NamedTable, Quoted, Sentence, TableRow, Tables, named_table, say

NAMED = 3  # scenarios and arms listed in a sentence, at most


def highest_run(tables: Tables) -> TableRow:
    """The row of the summary with the highest mean, among those with the most classes.

    Scenarios with fewer classes are left out, because they are easier. Other rows may not be significantly worse.
    """
    summary = named_table(tables, "summary")
    classes = summary.numbers("n_classes")
    return summary.where(classes == classes.max()).highest("mean_percent")


def export_target(tables: Tables) -> str:
    """The Snakemake target, an ONNX file, that exports a student of the scenario and arm of `highest_run`."""
    highest = highest_run(tables)
    return f"results/models/{highest['scenario']}.{highest['arm']}.onnx"


def answer(tables: Tables) -> list[Sentence]:
    """Sentences on the first declared comparison, on the best results of each size, and on what is missing."""
    comparisons = named_table(tables, "comparisons")
    first = [comparison_answer(comparisons.groups("comparison")[0])] if len(comparisons) else []
    return [*first, *best_sets(tables), *_not_run(tables)]


def _not_run(tables: Tables) -> Iterator[Sentence]:
    """Sentences on scenarios that are not run, and on images missing from the common test set."""
    summary = NamedTable("summary", tables["summary"])  # includes scenarios that are not run
    scenarios = summary.where(~summary["scenario"].duplicated())
    not_run = scenarios.where(~scenarios.rows.index.isin(run_rows(scenarios.rows).index))
    if len(not_run):
        yield say(
            "Not run: {count} of {all} scenarios, because {reasons}.",
            count=summary.quote(len(not_run)),
            all=summary.quote(len(scenarios)),
            reasons=summary.quote(", ".join(_reasons(not_run["not_run"]))),
        )
    if "lacking" in summary.rows:
        yield say("{lacking}.", lacking=summary.quote(lacking_text(summary["lacking"].iloc[0])))


def _reasons(texts: Iterable[str]) -> list[str]:
    """The distinct refusals in the texts; `google refused (captcha), sd3 refused (gated)` holds two."""
    return list(dict.fromkeys(reason for text in texts for reason in re.split(r"(?<=\)), ", text)))


def best_sets(tables: Tables) -> list[Sentence]:
    """A sentence per size: the scenarios and arms that no other is significantly better than, with the most classes."""
    ranking = named_table(tables, "ranking")
    classes = ranking.numbers("n_classes")
    families = ranking.where(classes == classes.max()).groups("size")
    return [_best_set(family, named_table(tables, "summary"), several=len(families) > 1) for family in families]


def _best_set(family: NamedTable, summary: NamedTable, *, several: bool) -> Sentence:
    """One size's sentence.

    Args:
        family: the size's rows of `ranking.csv`.
        summary: `summary.csv`, which has the descriptions of train images.
        several: whether the study has several sizes, so that the sentence names this one.
    """
    first = family.first()
    size = "{first[size]} " if several else ""
    if len(family) == 1:
        return say("There is one " + size + "result: {one}.", one=_named(family, summary), first=first)
    if first["among_best"] == "":
        return say("One seed cannot show which of the {first[n_compared]} " + size + "results is best.", first=first)
    best = family.where(family["among_best"] == "yes")
    names = _named(best, summary)
    if len(best) == 1:
        return say("Best of the {first[n_compared]} " + size + "results: {names}.", first=first, names=names)
    return say(
        "Of the {first[n_compared]} " + size + "results {count} tie for best: {names}.",
        first=first, count=family.quote(len(best)), names=names,
    )  # fmt: skip


def _named(rows: NamedTable, summary: NamedTable) -> Quoted:
    """Arms and train images with their accuracies, the highest first, at most `NAMED` of them."""
    order = rows.numbers("mean_percent").sort_values(ascending=False, kind="stable").index
    found = [summary.of(rows.row(label)).first() for label in order]
    names = [f"{row.arm} on {row['train']} ({row['mean_percent']} %)" for row in found[:NAMED]]
    if len(found) > NAMED:
        names.append(f"and {len(found) - NAMED} more")
    return summary.quote(", ".join(names))
