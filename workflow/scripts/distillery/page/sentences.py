"""What the tables say, in words: the answer, insights and limitations, every number as a table has it.

All tables come as text (`Tables`), so that a number on the page has the decimals it has in its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from distillery.figures.lines import source_mixes
from distillery.figures.summary import arm_styles

Tables = Mapping[str, pd.DataFrame]
COMMON = "common"


@dataclass(frozen=True)
class Sentence:
    """A statement, and the table it is read from."""

    text: str
    table: str


def numbers(column: pd.Series) -> pd.Series:
    """Text as floats; blank is NaN."""
    return pd.to_numeric(column, errors="coerce")


def arm_name(arm: str) -> str:
    """An arm as read in text, the same as in figures."""
    return arm_styles([arm])[arm].name


def best_run(tables: Tables) -> pd.Series:
    """The summary's row with the highest mean, among those of the most classes: fewer classes are easier."""
    summary = tables["summary"]
    classes = numbers(summary["n_classes"])
    summary = summary[classes == classes.max()]
    return summary.loc[numbers(summary["mean_percent"]).idxmax()]


def exported(tables: Tables) -> str:
    """The file, and so the target, that a student of the best scenario and arm is exported to."""
    top = best_run(tables)
    return f"results/models/{top['scenario']}.{top['arm']}.onnx"


def answer(tables: Tables) -> list[Sentence]:
    """The study's two questions, answered: which images teach best, and what the first declared comparison says."""
    found = [_best(tables)]
    comparisons = tables["comparisons"]
    if len(comparisons):
        first = comparisons[comparisons["comparison"] == comparisons["comparison"].iloc[0]]
        found.append(_comparison(first))
    return found


def _best(tables: Tables) -> Sentence:
    top, ranking = best_run(tables), tables["ranking"]
    alike = tables["summary"]["n_classes"].nunique() == 1
    text = "Of all that was trained" + ("" if alike else f" on {top['n_classes']} classes")
    text += f", {top['scenario']} ({top['train']}, {arm_name(top['arm'])}) teaches best: {top['mean_percent']} %"
    text += f" [{top['low']}, {top['high']}]" if top["low"] else ""
    text += f" of {top['n_test']} test images"
    place = ranking[(ranking["scenario"] == top["scenario"]) & (ranking["arm"] == top["arm"])].iloc[0]
    if place["n_ranked"] != "1":
        text += f"; among the {place['n_ranked']} scenarios of its size and classes it is first in"
        return Sentence(f"{text} {place['best_percent']} % of redraws of seeds and images.", "ranking")
    return Sentence(text + ".", "summary")


def _comparison(rows: pd.DataFrame) -> Sentence:
    question = rows["question"].iloc[0]
    told = rows[rows["verdict"] != ""]
    if told.empty:
        return Sentence(f"{question} One seed cannot tell: nothing is known of other trainings.", "comparisons")
    counts = told["verdict"].value_counts()
    said = [
        f"{verdict} in {counts[verdict]}"
        for verdict in ("better", "worse", "no significant difference")
        if verdict in counts
    ]
    differences = numbers(told["difference"])
    low, high = (told.loc[i, "difference"] for i in (differences.idxmin(), differences.idxmax()))
    where = f"of {len(told)} tests" if len(told) > 1 else "of one test"
    reach = f"the differences are {low} to {high} points" if len(told) > 1 else f"the difference is {low} points"
    text = f"{question} {', '.join(said).capitalize()} {where}, corrected for their number; {reach}."
    return Sentence(text, "comparisons")


def insights(tables: Tables) -> list[Sentence]:
    """Statements that the tables support, in the order of the page; those that a study has no data for are left out."""
    makers = (_other_questions, _more_images, _elsewhere, _hard_class, _confused, _sure, _imitated, _costly, _dropped)
    return [sentence for maker in makers for sentence in maker(tables)]


def _other_questions(tables: Tables) -> Iterator[Sentence]:
    comparisons = tables["comparisons"]
    for name in list(dict.fromkeys(comparisons["comparison"]))[1:]:
        yield _comparison(comparisons[comparisons["comparison"] == name])


def _more_images(tables: Tables) -> Iterator[Sentence]:
    summary = tables["summary"]
    best: tuple | None = None
    for (name, arm), rows in summary.groupby([source_mixes(summary), summary["arm"]], sort=False):
        order = numbers(rows["n_train"]).sort_values(kind="stable").index
        first, last = rows.loc[order[0]], rows.loc[order[-1]]
        gain = float(last["mean_percent"]) - float(first["mean_percent"])
        if first["n_train"] != last["n_train"] and gain > (best[0] if best else 0):
            best = gain, name, arm, first, last
    if best:
        _, name, arm, first, last = best
        text = (
            f"More images help most with {name} ({arm_name(arm)}): {first['mean_percent']} % with {first['n_train']},"
        )
        yield Sentence(f"{text} {last['mean_percent']} % with {last['n_train']}.", "summary")


def _elsewhere(tables: Tables) -> Iterator[Sentence]:
    table = tables["test_sources"]
    table = table[table["test"] != COMMON]
    widest = None
    for (scenario, arm), rows in table.groupby(["scenario", "arm"], sort=False):
        means = numbers(rows["mean_percent"])
        span = means.max() - means.min()
        if len(rows) > 1 and (widest is None or span > widest[0]):
            widest = span, scenario, arm, rows.loc[means.idxmax()], rows.loc[means.idxmin()]
    if widest:
        _, scenario, arm, best, worst = widest
        text = f"What a test is made of matters most for {scenario} ({arm_name(arm)}): {best['mean_percent']} % on the"
        text += f" images of {best['test']}, {worst['mean_percent']} % on those of {worst['test']}."
        yield Sentence(text, "test_sources")


def _of_best_run(tables: Tables, name: str) -> pd.DataFrame:
    """A table's rows of the best scenario and arm."""
    table, top = tables[name], best_run(tables)
    return table[(table["scenario"] == top["scenario"]) & (table["arm"] == top["arm"])]


def _hard_class(tables: Tables) -> Iterator[Sentence]:
    rows = _of_best_run(tables, "per_class")
    means = numbers(rows["mean_percent"])
    best, worst = rows.loc[means.idxmax()], rows.loc[means.idxmin()]
    text = f"For the best students {worst['class']} is hardest ({worst['mean_percent']} %) and"
    yield Sentence(f"{text} {best['class']} easiest ({best['mean_percent']} %).", "per_class")


def _confused(tables: Tables) -> Iterator[Sentence]:
    rows = _of_best_run(tables, "confusion")
    wrong = rows[rows["class"] != rows["predicted"]]
    if len(wrong):
        worst = wrong.loc[numbers(wrong["percent"]).idxmax()]
        text = f"The best students' commonest mistake: {worst['percent']} % of {worst['class']} images are taken for"
        yield Sentence(f"{text} {worst['predicted']}.", "confusion")


def _sure(tables: Tables) -> Iterator[Sentence]:
    table = tables["calibration"]
    errors = numbers(table["ece_percent"])
    best, worst = table.loc[errors.idxmin()], table.loc[errors.idxmax()]
    said = "surer than right" if float(worst["confidence_percent"]) > float(worst["accuracy_percent"]) else "too modest"
    text = f"The worst calibrated students are {worst['scenario']} ({arm_name(worst['arm'])}): {said},"
    text += (
        f" {worst['confidence_percent']} % sure and {worst['accuracy_percent']} % right; the best, {best['scenario']}"
    )
    yield Sentence(f"{text} ({arm_name(best['arm'])}), are off by {best['ece_percent']} points.", "calibration")


def _imitated(tables: Tables) -> Iterator[Sentence]:
    table = tables["agreement"]
    most = table.loc[numbers(table["agreement_percent"]).idxmax()]
    text = f"Students of {most['scenario']} ({arm_name(most['arm'])}) say most often what the teacher says:"
    text += f" {most['agreement_percent']} % of the images"
    if most["repeated_percent"]:
        text += f", and {most['repeated_percent']} % of its {most['n_teacher_wrong']} mistakes"
    yield Sentence(text + ".", "agreement")


def _costly(tables: Tables) -> Iterator[Sentence]:
    table = tables["costs"]
    rows = table[table["rule"] == "train_student"]
    if len(rows) > 1:
        seconds = numbers(rows["seconds_each"])
        least, most = rows.loc[seconds.idxmin()], rows.loc[seconds.idxmax()]
        text = f"A training took {least['seconds_each']} s ({least['scenario']}, {arm_name(least['arm'])}) to"
        yield Sentence(f"{text} {most['seconds_each']} s ({most['scenario']}, {arm_name(most['arm'])}).", "costs")


def _dropped(tables: Tables) -> Iterator[Sentence]:
    table = tables["counts"]
    sums = table.drop(columns="class").set_index("source").apply(pd.to_numeric).groupby(level=0, sort=False).sum()
    reasons = [name for name in sums if name.startswith("dropped_")]
    if reasons and sums[reasons].to_numpy().sum():
        source, reason = sums[reasons].stack().idxmax()
        text = f"Of {sums.at[source, 'offered']} images that {source} offered {sums.at[source, 'kept']} were kept;"
        why = reason.removeprefix("dropped_").replace("_", " ")
        yield Sentence(f"{text} the commonest reason against one: {why} ({sums.at[source, reason]}).", "counts")


def limitations(tables: Tables) -> list[Sentence]:
    """What the tables cannot tell, and why."""
    makers = (_note, _few_seeds, _small_differences, _taught, _shortfall, _untrained, _leaked, _doubted)
    return [sentence for maker in makers for sentence in maker(tables)]


def _note(tables: Tables) -> Iterator[Sentence]:
    note = tables["summary"]["note"].iloc[0]
    if note:
        yield Sentence(f"{note}: the numbers say nothing of photographs.", "summary")


def _taught(tables: Tables) -> Iterator[Sentence]:
    table = tables["teacher"]
    rows = table[(table["class"] == "all") & (table["accuracy_percent"] != "")]
    if len(rows):
        names = ["its own test images" if test == "own" else f"those of {test}" for test in rows["test"]]
        told = [f"{percent} % of {name}" for name, percent in zip(names, rows["accuracy_percent"], strict=True)]
        text = f"The teacher is right on {', '.join(told)}: distilling hands on its mistakes, and where students from"
        yield Sentence(f"{text} scratch do better it can teach them little.", "teacher")


def _few_seeds(tables: Tables) -> Iterator[Sentence]:
    for name, rows in tables["comparisons"].groupby("comparison", sort=False):
        first = rows.iloc[0]
        if first["n_pairs"] == "1":
            yield Sentence(f"{name}: one seed, so that nothing is known of other trainings.", "comparisons")
        elif float(first["p_seeds_least"]) * len(rows) > 0.05:
            text = f"{name}: {first['n_pairs']} seeds give a sign-flip p of {first['p_seeds_least']} at the least; over"
            text += f" {len(rows)} tests it cannot reach 0.05, and the verdict rests on means that are about normal."
            yield Sentence(text, "comparisons")


def _small_differences(tables: Tables) -> Iterator[Sentence]:
    table = tables["comparisons"]
    reach = numbers(table["detectable"]).dropna()
    if len(reach):
        least, most = table.loc[reach.idxmin(), "detectable"], table.loc[reach.idxmax(), "detectable"]
        text = f"Differences below {least} to {most} points, by comparison, would mostly go unseen"
        yield Sentence(f"{text}: more seeds or more test images would show smaller ones.", "comparisons")


def _shortfall(tables: Tables) -> Iterator[Sentence]:
    summary = tables["summary"]
    # an arm may train on a part by its recipe: what the scenario has, the arm with the most images shows
    rows = summary.loc[numbers(summary["n_train"]).groupby(summary["scenario"], sort=False).idxmax()]
    short = rows[numbers(rows["n_train"]) < numbers(rows["n_train_asked"])]
    if len(short):
        worst = short.loc[(numbers(short["n_train"]) / numbers(short["n_train_asked"])).idxmin()]
        text = f"{len(short)} of {len(rows)} scenarios have fewer images than asked for; {worst['scenario']} has"
        yield Sentence(f"{text} {worst['n_train']} of {worst['n_train_asked']}.", "summary")


def _untrained(tables: Tables) -> Iterator[Sentence]:
    names = [name for name in dict.fromkeys(tables["summary"]["untrained"]) if name]
    if names:
        text = f"The diffusion model of {', '.join(names)} was never trained"
        yield Sentence(f"{text}: its images are noise, and its scenarios show nothing.", "summary")


def _leaked(tables: Tables) -> Iterator[Sentence]:
    table = tables["leakage"]
    tested = numbers(table["tested_on"])
    if tested.sum():
        worst = table.loc[tested.idxmax()]
        text = f"{worst['tested_on']} test images of {worst['source']} are nearly those the teacher trained on"
        yield Sentence(f"{text}: it may look better than it is, and so may its students.", "leakage")


def _doubted(tables: Tables) -> Iterator[Sentence]:
    table, tests = tables["audit"], tables["runs"]
    # those that the accuracies are of
    common = table["source"].map(lambda source: f"accuracy_percent_on_{source}" in tests).astype(bool)
    rows = table[(table["class"] == "all") & common]
    tested = numbers(rows["tested_on"])
    if tested.sum():
        worst = rows.loc[tested.idxmax()]
        text = f"The teacher doubts the labels of {worst['tested_on']} test images of {worst['source']}"
        yield Sentence(f"{text}; where it is right, students are marked down for being right.", "audit")
