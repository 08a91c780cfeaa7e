"""Insights: sentences on further results, generated from the tables, with every number as in its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from distillery.display_names import NO_TITLES, source_title
from distillery.figures.source_mixes import source_mixes
from distillery.page.sentences.answer import highest_run
from distillery.page.sentences.comparison_sentences import comparison_sentence
from distillery.page.sentences.quoting import Sentence, TableRow, Tables, named_table, numbers, say
from distillery.wording import plural

COMMON = "common"  # as `test_sources.csv` calls the test images of all scenarios


def insights(tables: Tables, titles: Mapping[str, str] = NO_TITLES) -> list[Sentence]:
    """The sentences in the order of the page, without those that the study has no data for.

    Args:
        tables: all tables by name.
        titles: title of each source, from `display_names.source_titles`; names by default.
    """
    makers = (
        _other_comparisons, partial(_cleaning, titles=titles), _more_images, partial(_test_sources, titles=titles),
        _hard_class, _confusion, _calibration, _agreement, _costs, partial(_dropped, titles=titles),
    )  # fmt: skip
    return [sentence for maker in makers for sentence in maker(tables)]


def _other_comparisons(tables: Tables) -> Iterator[Sentence]:
    for table in named_table(tables, "comparisons").groups("comparison")[1:]:
        yield comparison_sentence(table)


def _cleaning(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    """Whether leaving out flagged labels removes wrong ones.

    The evidence for it: the teacher flags significantly more labels of the source than of its own test images.
    """
    table = named_table(tables, "audit")
    cleaned = table.where((table["class"] == "all") & (table["clean_loses_percent"] != ""))
    for place in cleaned.rows.index:
        row = cleaned.row(place)
        loss = say(
            "Scenarios without flagged labels lose {row[clean_loses_percent]} % of the train images of {source}.",
            row=row, source=cleaned.quote(source_title(row["source"], titles)),
        )  # fmt: skip
        if not row["own_flagged_percent"]:
            yield loss + say(" There are no trusted labels to tell how many of these are wrong.")
            continue
        flagged = say(
            " The teacher flags {row[flagged_percent]} % of this source's labels, and {row[own_flagged_percent]} % of"
            " those of its own test images:",
            row=row,
        )
        if row["above_own"] == "yes":
            yield loss + flagged + say(" some of the labels left out are wrong.")
        else:
            yield loss + flagged + say(" not significantly more, so no gain is due to fewer wrong labels.")


def _more_images(tables: Tables) -> Iterator[Sentence]:
    summary = named_table(tables, "summary")
    mix = source_mixes(summary.rows)
    best: tuple[float, str, TableRow, TableRow] | None = None
    for runs in summary.groups(mix, "arm"):
        order = runs.numbers("n_train").sort_values(kind="stable").index
        first, last = runs.row(order[0]), runs.row(order[-1])
        gain = float(last["mean_percent"]) - float(first["mean_percent"])
        if first["n_train"] != last["n_train"] and gain > (best[0] if best else 0):
            best = gain, mix[order[0]], first, last
    if best:
        _, name, first, last = best
        yield say(
            "More images help {mix} ({first.arm}) most: accuracy rises from {first[mean_percent]} % with"
            " {first[n_train]} images to {last[mean_percent]} % with {last[n_train]}.",
            mix=summary.quote(name), first=first, last=last,
        )  # fmt: skip


def _test_sources(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    table = named_table(tables, "test_sources")
    widest: tuple[float, TableRow, TableRow] | None = None
    for tested in table.where(table["test"] != COMMON).groups("scenario", "arm"):
        best, worst = tested.highest("mean_percent"), tested.lowest("mean_percent")
        span = float(best["mean_percent"]) - float(worst["mean_percent"])
        if len(tested) > 1 and (widest is None or span > widest[0]):
            widest = span, best, worst
    if widest:
        _, best, worst = widest
        yield say(
            "The source of the test images matters most for students of {best[scenario]} ({best.arm}): they"
            " classify {best[mean_percent]} % of {easy} images correctly and {worst[mean_percent]} % of {hard} images.",
            best=best, worst=worst,
            easy=table.quote(source_title(best["test"], titles)),
            hard=table.quote(source_title(worst["test"], titles)),
        )  # fmt: skip


def _hard_class(tables: Tables) -> Iterator[Sentence]:
    classes = named_table(tables, "per_class").of(highest_run(tables))
    yield say(
        "For students of {students[scenario]} ({students.arm}) {worst[class]} is the hardest class"
        " ({worst[mean_percent]} % correct) and {best[class]} the easiest ({best[mean_percent]} %).",
        students=classes.first(), best=classes.highest("mean_percent"), worst=classes.lowest("mean_percent"),
    )  # fmt: skip


def _confusion(tables: Tables) -> Iterator[Sentence]:
    pairs = named_table(tables, "confusion").of(highest_run(tables))
    wrong = pairs.where(pairs["class"] != pairs["predicted"])
    if len(wrong):
        yield say(
            "The most common mistake of students of {worst[scenario]} ({worst.arm}): they classify"
            " {worst[percent]} % of {worst[class]} images as {worst[predicted]}.",
            worst=wrong.highest("percent"),
        )


def _calibration(tables: Tables) -> Iterator[Sentence]:
    table = named_table(tables, "calibration")
    worst = table.highest("ece_percent")
    overconfident = float(worst["confidence_percent"]) > float(worst["accuracy_percent"])
    yield say(
        "The worst calibrated students are {worst[scenario]} ({worst.arm}). They are {error}: their mean confidence is"
        " {worst[confidence_percent]} %, their accuracy {worst[accuracy_percent]} %. The lowest expected"
        " calibration error is {best[ece_percent]} percentage points ({best[scenario]}, {best.arm}); a perfectly"
        " calibrated model would show {best[ece_if_calibrated]} there, because images are few.",
        best=table.lowest("ece_percent"), worst=worst,
        error=table.quote("overconfident" if overconfident else "underconfident"),
    )  # fmt: skip


def _agreement(tables: Tables) -> Iterator[Sentence]:
    most = named_table(tables, "agreement").highest("agreement_percent")
    sentence = say(
        "Students of {most[scenario]} ({most.arm}) agree most with the teacher: they predict the same class for"
        " {most[agreement_percent]} % of the images",
        most=most,
    )
    if most["repeated_percent"]:
        sentence += say(
            " and repeat {most[repeated_percent]} % of its {most[n_teacher_wrong]} mistakes",
            most=most,
        )
    yield sentence + say(".")


def _costs(tables: Tables) -> Iterator[Sentence]:
    table = named_table(tables, "costs")
    trained = table.where(table["rule"] == "train_student")
    if len(trained) > 1:
        yield say(
            "Training a student took from {least[seconds_each]} s ({least[scenario]}, {least.arm}) to"
            " {most[seconds_each]} s ({most[scenario]}, {most.arm}).",
            least=trained.lowest("seconds_each"), most=trained.highest("seconds_each"),
        )  # fmt: skip


def _dropped(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    table = named_table(tables, "counts")
    counts = table.rows.drop(columns=["class", "refused"], errors="ignore").set_index("source")
    sums = counts.apply(numbers).groupby(level=0, sort=False).sum()
    reasons = [name for name in sums if name.startswith("dropped_")]
    if reasons and sums[reasons].to_numpy().sum():
        source, reason = sums[reasons].stack().idxmax()
        counts = sums.loc[source]
        values = {
            "source": source_title(source, titles), "kept": counts["kept"],
            "candidates": _candidates(counts["candidates"]),
            "reason": reason.removeprefix("dropped_").replace("_", " "), "count": _candidates(counts[reason]),
        }  # fmt: skip
        yield say(
            "{kept} of the {candidates} from {source} were kept. The most common reason for dropping one is:"
            " {reason} ({count}).",
            **{name: table.quote(value) for name, value in values.items()},
        )


def _candidates(count: float) -> str:
    return plural(int(count), "candidate").replace(",", "")  # without thousands separators, as in the table
