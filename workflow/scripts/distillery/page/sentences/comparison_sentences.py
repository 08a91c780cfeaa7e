"""Sentences about a declared comparison: its result in plain words, or the number of each verdict."""

from __future__ import annotations

from distillery.analysis.formatting import p_phrase
from distillery.display_names import display_name
from distillery.page.sentences.quoting import NamedTable, Quoted, Sentence, TableRow, say
from distillery.wording import plural, span

VERDICTS = ("better", "worse", "no significant difference")


def comparison_answer(table: NamedTable) -> Sentence:
    """A comparison of two arms in plain words; any other comparison as in `comparison_sentence`.

    Args:
        table: the comparison's rows of `comparisons.csv`.
    """
    if not compares_two_arms(table):
        return comparison_sentence(table)
    first, n = table.first(), len(table)
    differences = table.numbers("difference")
    helped = int((differences > 0).sum())
    low, high = f"{differences.min():.1f}", f"{differences.max():.1f}"
    values: dict[str, TableRow | Quoted] = {
        "subject": table.quote(_subject(first, "less" if n == 1 and not helped else "more")),
        "n": table.quote(plural(n, "scenario")),
        "helped": table.quote(helped),
        "points": table.quote(span(low, high)),
    }
    if n == 1:
        values |= {"first": first, "points": table.quote(f"{abs(differences.iloc[0]):.1f}")}
        sentence = say("{subject} in {first[scenario]}, by {points} percentage points.", **values)
    elif helped == n:
        where = " in both scenarios" if n == 2 else " in all {n}"
        sentence = say("{subject}" + where + ", by {points} percentage points.", **values)
    elif helped == 0:
        sentence = say("{subject} in none of {n}: the differences are {points} percentage points.", **values)
    else:
        sentence = say("{subject} in {helped} of {n}: by {points} percentage points.", **values)
    return sentence + _significance(table)


def compares_two_arms(table: NamedTable) -> bool:
    """Whether a comparison is of the same two arms in each scenario: not of scenarios, students or several arms.

    Args:
        table: the comparison's rows of `comparisons.csv`.
    """
    if "arm" not in table.rows or len(table.rows[["arm", "versus_arm"]].drop_duplicates()) != 1:
        return False
    first = table.first()
    return first["arm"] != first["versus_arm"] and first["scenario"] == first["versus_scenario"]


def _subject(first: TableRow, how: str) -> str:
    if (first["arm"], first["versus_arm"]) == ("kd", "scratch"):
        return f"Distilled students are {how} accurate than those trained from scratch"
    return f"Students of {first.arm} are {how} accurate than {display_name(first['versus_arm'])}"


def _significance(table: NamedTable) -> Sentence:
    decided = table.where(table["verdict"] != "")
    if not len(decided):
        return say(" One seed gives no verdict: how much another training would differ is unknown.")
    significant = int((decided["verdict"] != "no significant difference").sum())
    pairs = decided["n_pairs"].unique() if "n_pairs" in decided.rows else []
    seeds = table.quote(plural(int(pairs[0]), "seed")) if len(pairs) == 1 else None
    values: dict[str, TableRow | Quoted] = {"all": decided.quote(len(decided))}
    lead = " With {seeds}, " if seeds else " "
    if seeds:
        values["seeds"] = seeds
    if len(decided) == 1:
        verdict = f"the difference is {'significant' if significant else 'not significant'} ({{p}})."
        found = {"p": decided.quote(p_phrase(decided.first()["p_holm"]))} | ({"seeds": seeds} if seeds else {})
        return say(lead + (verdict if seeds else verdict.capitalize()), **found)
    values["first"] = decided.first()
    if significant == len(decided):
        number = "both differences are" if len(decided) == 2 else "all {all} differences are"
    elif significant:
        values["count"] = decided.quote(significant)
        number = "{count} of the {all} differences " + ("are" if significant > 1 else "is")
    else:
        number = "none of the {all} differences is"
    number = number if seeds else number[0].upper() + number[1:]
    return say(lead + number + " significant (p corrected: {first[correction]}).", **values)


def comparison_sentence(table: NamedTable) -> Sentence:
    """The number of each verdict of a comparison, and the range of differences; of a single test, both students.

    Args:
        table: the comparison's rows of `comparisons.csv`.
    """
    question = say("{first[question]}", first=table.first())
    decided = table.where(table["verdict"] != "")
    if not len(decided):
        return question + say(" One seed gives no verdict: how much another training would differ is unknown.")
    counts = decided["verdict"].value_counts()
    low = decided.lowest("difference")
    values: dict[str, TableRow | Quoted] = {
        "low": low,
        "high": decided.highest("difference"),
        "count": decided.quote(len(decided)),
    }
    if len(decided) == 1:
        values["verdict"] = decided.quote(counts.index[0].capitalize())
        values["p"] = decided.quote(p_phrase(low["p_holm"]))
        values["before"] = decided.quote(display_name(low["versus_arm"]))
        difference = float(low["difference"])
        values["points"] = decided.quote(f"{abs(difference):.2f}")
        values["how"] = decided.quote("less" if difference < 0 else "more")
        text = " {verdict}: {low[scenario]} ({low.arm}) is {points} percentage points {how} accurate than"
        return question + say(text + " {low[versus_scenario]} ({before}), {p}.", **values)
    verdicts = ", ".join(f"{verdict} in {counts[verdict]}" for verdict in VERDICTS if verdict in counts)
    values["verdicts"] = decided.quote(verdicts)
    text = " Of {count} tests (p corrected: {low[correction]}): {verdicts}."
    text += " The differences range from {low[difference]} to {high[difference]} percentage points."
    return question + say(text, **values)
