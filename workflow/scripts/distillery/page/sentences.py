"""What the tables say, in words: the answer, insights and limitations, every number as a table has it.

All tables come as text (`Tables`), so that a number on the page has the decimals it has in its file.
"""

from __future__ import annotations

from collections.abc import Iterator

from distillery.figures.source_mixes import source_mixes
from distillery.page.quoting import NamedTable, Quoted, Sentence, TableRow, Tables, named, numbers, say

COMMON = "common"
LEVEL = Quoted("0.05", "")  # of significance: a convention, in no table


def best_run(tables: Tables) -> TableRow:
    """The summary's row with the highest mean, among those of the most classes: fewer classes are easier."""
    summary = named(tables, "summary")
    classes = summary.numbers("n_classes")
    return summary.where(classes == classes.max()).highest("mean_percent")


def exported(tables: Tables) -> str:
    """The file, and so the target, that a student of the best scenario and arm is exported to."""
    top = best_run(tables)
    return f"results/models/{top['scenario']}.{top['arm']}.onnx"


def answer(tables: Tables) -> list[Sentence]:
    """The study's two questions, answered: which images teach best, and what the first declared comparison says."""
    found = [_best(tables)]
    comparisons = named(tables, "comparisons")
    if len(comparisons):
        found.append(_comparison(comparisons.groups("comparison")[0]))
    return found


def _best(tables: Tables) -> Sentence:
    top, summary = best_run(tables), named(tables, "summary")
    said = say("Of all that was trained")
    if summary["n_classes"].nunique() > 1:
        said += say(" on {top[n_classes]} classes", top=top)
    said += say(", {top[scenario]} ({top[train]}, {top.arm}) teaches best: {top[mean_percent]} %", top=top)
    if top["low"]:
        said += say(" [{top[low]}, {top[high]}]", top=top)
    said += say(" of {top[n_test]} test images", top=top)
    place = named(tables, "ranking").of(top).first()
    if place["n_ranked"] != "1":
        said += say(
            "; among the {place[n_ranked]} scenarios of its size and classes it is first in {place[best_percent]} %"
            " of redraws of seeds and images",
            place=place,
        )
    return said + say(".")


def _comparison(table: NamedTable) -> Sentence:
    question = say("{first[question]}", first=table.first())
    told = table.where(table["verdict"] != "")
    if not len(told):
        return question + say(" One seed cannot tell: nothing is known of other trainings.")
    counts = told["verdict"].value_counts()
    said = [
        f"{verdict} in {counts[verdict]}"
        for verdict in ("better", "worse", "no significant difference")
        if verdict in counts
    ]
    found = {
        "said": told.quote(", ".join(said).capitalize()),
        "low": told.lowest("difference"),
        "high": told.highest("difference"),
        "count": told.quote(len(told)),
    }
    if len(told) > 1:
        text = " {said} of {count} tests, corrected for their number;"
        return question + say(text + " the differences are {low[difference]} to {high[difference]} points.", **found)
    text = " {said} of one test, corrected for their number; the difference is {low[difference]} points."
    return question + say(text, **found)


def insights(tables: Tables) -> list[Sentence]:
    """Statements that the tables support, in the order of the page; those that a study has no data for are left out."""
    makers = (_other_questions, _more_images, _elsewhere, _hard_class, _confused, _sure, _imitated, _costly, _dropped)
    return [sentence for maker in makers for sentence in maker(tables)]


def _other_questions(tables: Tables) -> Iterator[Sentence]:
    for table in named(tables, "comparisons").groups("comparison")[1:]:
        yield _comparison(table)


def _more_images(tables: Tables) -> Iterator[Sentence]:
    summary = named(tables, "summary")
    mix = source_mixes(summary.rows)
    best: tuple | None = None
    for runs in summary.groups(mix, "arm"):
        order = runs.numbers("n_train").sort_values(kind="stable").index
        first, last = runs.row(order[0]), runs.row(order[-1])
        gain = float(last["mean_percent"]) - float(first["mean_percent"])
        if first["n_train"] != last["n_train"] and gain > (best[0] if best else 0):
            best = gain, mix[order[0]], first, last
    if best:
        _, name, first, last = best
        yield say(
            "More images help most with {mix} ({first.arm}): {first[mean_percent]} % with {first[n_train]},"
            " {last[mean_percent]} % with {last[n_train]}.",
            mix=summary.quote(name), first=first, last=last,
        )  # fmt: skip


def _elsewhere(tables: Tables) -> Iterator[Sentence]:
    table = named(tables, "test_sources")
    widest: tuple | None = None
    for tested in table.where(table["test"] != COMMON).groups("scenario", "arm"):
        best, worst = tested.highest("mean_percent"), tested.lowest("mean_percent")
        span = float(best["mean_percent"]) - float(worst["mean_percent"])
        if len(tested) > 1 and (widest is None or span > widest[0]):
            widest = span, best, worst
    if widest:
        yield say(
            "What a test is made of matters most for {best[scenario]} ({best.arm}): {best[mean_percent]} % on the"
            " images of {best[test]}, {worst[mean_percent]} % on those of {worst[test]}.",
            best=widest[1], worst=widest[2],
        )  # fmt: skip


def _hard_class(tables: Tables) -> Iterator[Sentence]:
    classes = named(tables, "per_class").of(best_run(tables))
    yield say(
        "For the best students {worst[class]} is hardest ({worst[mean_percent]} %) and {best[class]} easiest"
        " ({best[mean_percent]} %).",
        best=classes.highest("mean_percent"), worst=classes.lowest("mean_percent"),
    )  # fmt: skip


def _confused(tables: Tables) -> Iterator[Sentence]:
    pairs = named(tables, "confusion").of(best_run(tables))
    wrong = pairs.where(pairs["class"] != pairs["predicted"])
    if len(wrong):
        yield say(
            "The best students' commonest mistake: {worst[percent]} % of {worst[class]} images are taken for"
            " {worst[predicted]}.",
            worst=wrong.highest("percent"),
        )


def _sure(tables: Tables) -> Iterator[Sentence]:
    table = named(tables, "calibration")
    worst = table.highest("ece_percent")
    said = "surer than right" if float(worst["confidence_percent"]) > float(worst["accuracy_percent"]) else "too modest"
    yield say(
        "The worst calibrated students are {worst[scenario]} ({worst.arm}): {said}, {worst[confidence_percent]} % sure"
        " and {worst[accuracy_percent]} % right; the best, {best[scenario]} ({best.arm}), are off by"
        " {best[ece_percent]} points.",
        best=table.lowest("ece_percent"), worst=worst, said=table.quote(said),
    )  # fmt: skip


def _imitated(tables: Tables) -> Iterator[Sentence]:
    most = named(tables, "agreement").highest("agreement_percent")
    said = say(
        "Students of {most[scenario]} ({most.arm}) say most often what the teacher says: {most[agreement_percent]} %"
        " of the images",
        most=most,
    )
    if most["repeated_percent"]:
        said += say(", and {most[repeated_percent]} % of its {most[n_teacher_wrong]} mistakes", most=most)
    yield said + say(".")


def _costly(tables: Tables) -> Iterator[Sentence]:
    table = named(tables, "costs")
    trained = table.where(table["rule"] == "train_student")
    if len(trained) > 1:
        yield say(
            "A training took {least[seconds_each]} s ({least[scenario]}, {least.arm}) to {most[seconds_each]} s"
            " ({most[scenario]}, {most.arm}).",
            least=trained.lowest("seconds_each"), most=trained.highest("seconds_each"),
        )  # fmt: skip


def _dropped(tables: Tables) -> Iterator[Sentence]:
    table = named(tables, "counts")
    sums = table.rows.drop(columns="class").set_index("source").apply(numbers).groupby(level=0, sort=False).sum()
    reasons = [name for name in sums if name.startswith("dropped_")]
    if reasons and sums[reasons].to_numpy().sum():
        source, reason = sums[reasons].stack().idxmax()
        mine = sums.loc[source]
        found = {"source": source, "offered": mine["candidates"], "kept": mine["kept"], "most": mine[reason]}
        found["why"] = reason.removeprefix("dropped_").replace("_", " ")
        yield say(
            "Of {offered} images that {source} offered {kept} were kept; the commonest reason against one: {why}"
            " ({most}).",
            **{name: table.quote(value) for name, value in found.items()},
        )


def limitations(tables: Tables) -> list[Sentence]:
    """What the tables cannot tell, and why."""
    makers = (_note, _few_seeds, _small_differences, _taught, _shortfall, _untrained, _leaked, _doubted)
    return [sentence for maker in makers for sentence in maker(tables)]


def _note(tables: Tables) -> Iterator[Sentence]:
    first = named(tables, "summary").first()
    if first["note"]:
        yield say("{first[note]}: the numbers say nothing of photographs.", first=first)


def _taught(tables: Tables) -> Iterator[Sentence]:
    table = named(tables, "teacher")
    tests = table.where((table["class"] == "all") & (table["accuracy_percent"] != ""))
    if len(tests):
        names = ["its own test images" if test == "own" else f"those of {test}" for test in tests["test"]]
        told = [f"{percent} % of {name}" for name, percent in zip(names, tests["accuracy_percent"], strict=True)]
        yield say(
            "The teacher is right on {told}: distilling hands on its mistakes, and where students from scratch do"
            " better it can teach them little.",
            told=tests.quote(", ".join(told)),
        )


def _few_seeds(tables: Tables) -> Iterator[Sentence]:
    for tests in named(tables, "comparisons").groups("comparison"):
        first = tests.first()
        if first["n_pairs"] == "1":
            yield say("{first[comparison]}: one seed, so that nothing is known of other trainings.", first=first)
        elif float(first["p_seeds_least"]) * len(tests) > float(LEVEL.text):
            yield say(
                "{first[comparison]}: {first[n_pairs]} seeds give a sign-flip p of {first[p_seeds_least]} at the least;"
                " over {count} tests it cannot reach {level}, and the verdict rests on means that are about normal.",
                first=first, count=tests.quote(len(tests)), level=LEVEL,
            )  # fmt: skip


def _small_differences(tables: Tables) -> Iterator[Sentence]:
    table = named(tables, "comparisons")
    if table.numbers("detectable").notna().any():
        yield say(
            "Differences below {least[detectable]} to {most[detectable]} points, by comparison, would mostly go unseen:"
            " more seeds or more test images would show smaller ones.",
            least=table.lowest("detectable"), most=table.highest("detectable"),
        )  # fmt: skip


def _shortfall(tables: Tables) -> Iterator[Sentence]:
    summary = named(tables, "summary")
    # an arm may train on a part by its recipe: what the scenario has, the arm with the most images shows
    most = summary.numbers("n_train").groupby(summary["scenario"], sort=False).idxmax()
    scenarios = summary.where(summary.rows.index.isin(most))
    shares = scenarios.numbers("n_train") / scenarios.numbers("n_train_asked")
    short = scenarios.where(shares < 1)
    if len(short):
        yield say(
            "{short} of {all} scenarios have fewer images than asked for; {worst[scenario]} has {worst[n_train]} of"
            " {worst[n_train_asked]}.",
            short=summary.quote(len(short)), all=summary.quote(len(scenarios)), worst=short.row(shares.idxmin()),
        )  # fmt: skip


def _untrained(tables: Tables) -> Iterator[Sentence]:
    summary = named(tables, "summary")
    names = [name for name in dict.fromkeys(summary["untrained"]) if name]
    if names:
        yield say(
            "The diffusion model of {names} was never trained: its images are noise, and its scenarios show nothing.",
            names=summary.quote(", ".join(names)),
        )


def _leaked(tables: Tables) -> Iterator[Sentence]:
    table = named(tables, "leakage")
    if table.numbers("tested_on").sum():
        yield say(
            "{worst[tested_on]} test images of {worst[source]} are nearly those the teacher trained on: it may look"
            " better than it is, and so may its students.",
            worst=table.highest("tested_on"),
        )


def _doubted(tables: Tables) -> Iterator[Sentence]:
    table, tests = named(tables, "audit"), tables["runs"]
    # those that the accuracies are of
    common = table["source"].map(lambda source: f"accuracy_percent_on_{source}" in tests).astype(bool)
    judged = table.where((table["class"] == "all") & common)
    if judged.numbers("tested_on").sum():
        yield say(
            "The teacher doubts the labels of {worst[tested_on]} test images of {worst[source]}; where it is right,"
            " students are marked down for being right.",
            worst=judged.highest("tested_on"),
        )
