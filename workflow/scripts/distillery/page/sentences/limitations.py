"""Limitations: sentences on what the results cannot show, generated from the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from distillery.analysis.formatting import not_covered_text
from distillery.display_names import NO_TITLES, source_title
from distillery.page.sentences.quoting import Sentence, TableRow, Tables, named_table, say
from distillery.wording import span

SURE = 2  # standard errors over test images by which an accuracy is clearly above that of guessing


def limitations(tables: Tables, titles: Mapping[str, str] = NO_TITLES) -> list[Sentence]:
    """The sentences in the order of the page, without those that do not apply to the study.

    Args:
        tables: all tables by name.
        titles: title of each source, from `display_names.source_titles`; names by default.
    """
    teacher_mistakes, weak_teacher, leakage, label_errors, flagged_labels = (
        partial(maker, titles=titles)
        for maker in (_teacher_mistakes, _weak_teacher, _leakage, _label_errors, _flagged_labels)
    )
    makers = (
        _demonstration, _near_guessing, _few_seeds, _not_covered, _small_differences, teacher_mistakes, weak_teacher,
        _shortfall, _untrained_models, leakage, label_errors, flagged_labels,
    )  # fmt: skip
    return [sentence for maker in makers for sentence in maker(tables)]


def _demonstration(tables: Tables) -> Iterator[Sentence]:
    first = named_table(tables, "summary").first()
    if first["note"]:
        yield say("{first[note]}: the numbers say nothing about photographs.", first=first)


def _near_guessing(tables: Tables) -> Iterator[Sentence]:
    """A study whose best students may only guess: their differences then say nothing about methods or sources."""
    summary = named_table(tables, "summary")
    reached = summary.numbers("mean_percent") / 100
    if not reached.notna().any():
        return
    error = (reached * (1 - reached) / summary.numbers("n_test")) ** 0.5
    if (reached - SURE * error <= 1 / summary.numbers("n_classes")).where(reached.notna(), True).all():
        yield say(
            "No student is clearly better than guessing: the best mean is {best[mean_percent]} %, with"
            " {best[n_classes]} classes and {best[n_test]} test images. Differences then say nothing: train for more"
            " steps, or on more images.",
            best=summary.highest("mean_percent"),
        )  # fmt: skip


def _few_seeds(tables: Tables) -> Iterator[Sentence]:
    for tests in named_table(tables, "comparisons").groups("comparison"):
        first = tests.first()
        if first["n_pairs"] == "1":
            yield say('On "{first[question]}", one seed cannot show how another training would differ.', first=first)


def _not_covered(tables: Tables) -> Iterator[Sentence]:
    table = named_table(tables, "comparisons")
    if missing := not_covered_text(table.rows):
        yield say("{missing}. All runs share these.", missing=table.quote(missing))


def _small_differences(tables: Tables) -> Iterator[Sentence]:
    table = named_table(tables, "comparisons")
    if table.numbers("detectable").notna().any():
        least, most = table.lowest("detectable")["detectable"], table.highest("detectable")["detectable"]
        depending = "" if least == most else ", depending on the comparison,"
        yield say(
            "True differences below {points} percentage points{depending} are found less than four times in five. More"
            " seeds or test images would find smaller ones.",
            points=table.quote(span(least, most)), depending=table.quote(depending),
        )  # fmt: skip


def _teacher_mistakes(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    table = named_table(tables, "teacher")
    tests = table.where((table["teacher"] == "all") & (table["class"] == "all") & (table["accuracy_percent"] != ""))
    if len(tests):
        names = [
            "its own test images" if test == "own" else f"{source_title(test, titles)} images" for test in tests["test"]
        ]
        accuracies = [f"{percent} % of {name}" for name, percent in zip(names, tests["accuracy_percent"], strict=True)]
        yield say(
            "The teacher classifies {accuracies} correctly. Distillation passes its mistakes on to students, and helps"
            " little if students trained from scratch are more accurate than the teacher.",
            accuracies=tests.quote(", ".join(accuracies)),
        )


def _weak_teacher(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    """Test sets on which students trained from scratch are more accurate than the teacher."""
    teacher, students = named_table(tables, "teacher"), named_table(tables, "test_sources")
    teacher = teacher.where((teacher["teacher"] == "all") & (teacher["class"] == "all"))
    for tests in students.where(students["arm"] == "scratch").groups("test"):
        same = teacher.where(teacher["test"] == tests.first()["test"])
        if len(same) and tests.numbers("mean_percent").max() > same.numbers("accuracy_percent").max():
            best = tests.highest("mean_percent")
            yield say(
                "On {name} images students trained {best.arm} reach {best[mean_percent]} %, more than the teacher's"
                " {teacher[accuracy_percent]} %, so distilling from it can hardly help there.",
                name=tests.quote(source_title(best["test"], titles)), best=best, teacher=same.first(),
            )  # fmt: skip


def _shortfall(tables: Tables) -> Iterator[Sentence]:
    summary = named_table(tables, "summary")
    # an arm's recipe may use only part of the images, so the arm with the most images has the scenario's count
    most = summary.numbers("n_train").groupby(summary["scenario"], sort=False).idxmax()
    scenarios = summary.where(summary.rows.index.isin(most))
    fractions = scenarios.numbers("n_train") / scenarios.numbers("n_train_requested")
    short = scenarios.where(fractions < 1)
    if len(short):
        yield say(
            "{short} of {all} scenarios train on fewer images than the configuration requests. The largest gap is"
            " {worst[scenario]}, with {worst[n_train]} of {worst[n_train_requested]}.",
            short=summary.quote(len(short)), all=summary.quote(len(scenarios)), worst=short.row(fractions.idxmin()),
        )  # fmt: skip


def _untrained_models(tables: Tables) -> Iterator[Sentence]:
    summary = named_table(tables, "summary")
    names = [name for name in dict.fromkeys(summary["untrained"]) if name]
    if names:
        yield say(
            "The diffusion model of {names} has random weights: its images are noise, and its scenarios show nothing.",
            names=summary.quote(", ".join(names)),
        )


def _leakage(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    table = named_table(tables, "leakage")
    if table.numbers("tested_on").sum():
        worst = table.highest("tested_on")
        yield say(
            "{worst[tested_on]} test images of {source} are near-duplicates of the teacher's train images. Its accuracy"
            " may be too high, and so may that of its students.",
            worst=worst, source=table.quote(source_title(worst["source"], titles)),
        )  # fmt: skip


def _baseline(audit: TableRow) -> str:
    """End of a sentence on a source's flagged labels: their percentage, and that of the teacher's own test images."""
    if not audit["own_flagged_percent"]:
        return ", and there are no trusted labels to compare with"
    return (
        f": {audit['flagged_percent']} % of the source's labels, where it flags {audit['own_flagged_percent']} % of"
        " those of its own test images"
    )


def _label_errors(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    """The highest estimate of wrong labels of a source, with that of the teacher's own test images."""
    table = named_table(tables, "audit")
    estimated = table.where((table["class"] == "all") & (table["wrong_percent"] != ""))
    if len(estimated):
        most = estimated.highest("wrong_percent")
        yield say(
            "The teacher estimates {most[wrong_percent]} % wrong labels of {source}, and {most[own_wrong_percent]} % of"
            " its own test images of the same classes. It sees images of other classes, not other kinds of image, such"
            " as drawings.",
            most=most, source=estimated.quote(source_title(most["source"], titles)),
        )  # fmt: skip


def _flagged_labels(tables: Tables, titles: Mapping[str, str]) -> Iterator[Sentence]:
    table, runs = named_table(tables, "audit"), tables["runs"]
    # only sources whose test images are in the common test set
    common = table["source"].map(lambda source: f"accuracy_percent_on_{source}" in runs).astype(bool)
    audited = table.where((table["class"] == "all") & common)
    if audited.numbers("tested_on").sum():
        worst = audited.highest("tested_on")
        yield say(
            "The teacher flags the labels of {worst[tested_on]} test images of {source} as likely errors{baseline}. If"
            " such a label is wrong, a correct prediction counts as a mistake.",
            worst=worst, source=table.quote(source_title(worst["source"], titles)),
            baseline=table.quote(_baseline(worst)),
        )  # fmt: skip
        tests = named_table(tables, "test_sources")
        tests = tests.where((tests["test"] == "common") & (tests["unflagged_percent"] != ""))
        if len(tests):
            gains = tests.numbers("unflagged_percent") - tests.numbers("mean_percent")
            yield say(
                "Without flagged labels the accuracy changes most for {most[scenario]} ({most.arm}):"
                " {most[mean_percent]} % of {most[n_test]} common test images, {most[unflagged_percent]} % of the"
                " {most[n_unflagged]} unflagged ones. The flags favor students that agree with the teacher.",
                most=tests.row(gains.abs().idxmax()),
            )
