"""The page's answer: the most accurate students, and the verdicts of the declared comparisons."""

from __future__ import annotations

from collections.abc import Iterator

from distillery.analysis.table_files import run_rows
from distillery.display_names import lacking_text
from distillery.page.comparison_sentences import comparison_answer
from distillery.page.quoting import NamedTable, Sentence, TableRow, Tables, named_table, say


def best_run(tables: Tables) -> TableRow:
    """The summary's row with the highest mean among those with the most classes, because fewer classes are easier."""
    summary = named_table(tables, "summary")
    classes = summary.numbers("n_classes")
    return summary.where(classes == classes.max()).highest("mean_percent")


def export_target(tables: Tables) -> str:
    """The ONNX file, and so the Snakemake target, that exports a student of the best scenario and arm."""
    best = best_run(tables)
    return f"results/models/{best['scenario']}.{best['arm']}.onnx"


def answer(tables: Tables) -> list[Sentence]:
    """The study's two questions answered: the first declared comparison, and which images train the best students."""
    comparisons = named_table(tables, "comparisons")
    first = [comparison_answer(comparisons.groups("comparison")[0])] if len(comparisons) else []
    return [*first, _best_students(tables), *_not_run(tables)]


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


def _best_students(tables: Tables) -> Sentence:
    best, summary = best_run(tables), named_table(tables, "summary")
    sentence = say("The most accurate students")
    if summary["n_classes"].nunique() > 1:
        sentence += say(" of {best[n_classes]} classes", best=best)
    sentence += say(" train on {best[train]} ({best[scenario]}, {best.arm}).", best=best)
    sentence += say(" They classify {best[mean_percent]} %", best=best)
    if best["low"]:
        sentence += say(" [{best[low]}, {best[high]}]", best=best)
    sentence += say(" of {best[n_test]} test images correctly.", best=best)
    place = named_table(tables, "ranking").of(best).first()
    if place["n_ranked"] != "1":
        sentence += say(
            " Among the {place[n_ranked]} scenarios of the same size, arm and classes, this one ranks first in"
            " {place[best_percent]} % of bootstrap resamples of seeds and test images.",
            place=place,
        )
    return sentence
