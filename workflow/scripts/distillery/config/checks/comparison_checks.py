"""Checks of comparisons, their default questions, and the comparisons of a study that declares none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from distillery.config.queries.source_queries import trained_classes
from distillery.display_names import display_name

# (baseline, other arm) → the question in words
QUESTIONS = {
    ("scratch", "kd"): "Does distilling help?",
    ("published_scratch", "published_kd"): "Does distilling help with the published recipe?",
    ("published_scratch", "scratch"): "Does correcting the published recipe help from scratch?",
    ("published_kd", "kd"): "Does correcting the published recipe help distilling?",
}


def comparison_problems(config: dict[str, Any]) -> Iterator[str]:
    """The problems of the section `comparisons`, one line each. Fills in its defaults."""
    config.setdefault("comparisons", _usual_comparisons(config))
    for name, declared in config["comparisons"].items():
        key = f"comparisons.{name}"
        kinds = [kind for kind in ("arms", "scenarios", "students") if kind in declared]
        if len(kinds) != 1:
            yield f"{key}: give arms, two scenarios or two students, such as arms: [scratch, kd]"
            continue
        if "students" in kinds:
            yield from _student_problems(config, key, declared)
            continue
        kind = kinds[0]
        for each in declared[kind]:
            if each not in config[kind]:
                yield f"{key}.{kind}: unknown {kind[:-1]} {each}; known are {', '.join(config[kind])}"
                return
        before, *others = declared[kind]
        declared["question"] = declared["question"] or _question(before, others)
        for after in others if kind == "scenarios" else ():
            if trained_classes(config, before) != trained_classes(config, after):
                yield (
                    f"{key}.scenarios: {before} and {after} train on different classes; compare scenarios with the same"
                    " classes"
                )
        places = _places_of_all(config, kind, declared[kind])
        compared = f"{'both ' if len(others) == 1 else ''}{' and '.join(declared[kind])}"
        where = (
            f"scenario {{}} does not train {compared}" if kind == "arms" else f"arm {{}} is not trained by {compared}"
        )
        for place in declared.setdefault("within", places):
            if place not in places:
                yield f"{key}.within: {where.format(place)}; {_suggestion(places)}"
        if not places:
            nowhere = f"no scenario trains {compared}" if kind == "arms" else f"no arm is trained by {compared}"
            yield f"{key}.{kind}: {nowhere}; remove the comparison, or add what is missing to scenarios.{{name}}.arms"


def _student_problems(config: dict[str, Any], key: str, declared: dict[str, Any]) -> Iterator[str]:
    """The problems of a comparison of two students. Fills in its question."""
    if untrained := list(untrained_problems(config, f"{key}.students", declared["students"])):
        yield untrained[0]
        return
    before, after = (student.partition(".")[::2] for student in declared["students"])
    if trained_classes(config, before[0]) != trained_classes(config, after[0]):
        yield f"{key}.students: {before[0]} and {after[0]} train on different classes, so these cannot be compared"
    if "within" in declared:
        yield f"{key}.within: not for students, which name their scenarios and arms; remove it"
    names = [f"{display_name(arm)} on {scenario}" for scenario, arm in (after, before)]
    declared["question"] = declared["question"] or f"Is {' better than '.join(names)}?"


def untrained_problems(config: dict[str, Any], key: str, students: Iterable[str]) -> Iterator[str]:
    """A line for each student, named scenario.arm, that the study does not train.

    Args:
        key: the key that names the students.
    """
    trained = [f"{name}.{arm}" for name, scenario in config["scenarios"].items() for arm in scenario["arms"]]
    for student in students:
        if student not in trained:
            yield f"{key}: no student {student} is trained; give scenario.arm, such as {trained[0]}"


def _question(before: str, others: list[str]) -> str:
    """A question in words for a comparison whose configuration has none."""
    if len(others) > 1:
        return f"Which are better than {display_name(before)}: {', '.join(map(display_name, others))}?"
    usual = f"Is {display_name(others[0])} better than {display_name(before)}?"
    return QUESTIONS.get((before, others[0]), usual)


def _suggestion(places: list[str]) -> str:
    return f"possible are {', '.join(places)}" if places else "none is possible"


def _usual_comparisons(config: dict) -> dict[str, dict[str, Any]]:
    """The default comparisons: what distillation does, and what the faults of the published recipe do.

    A study without these arms compares every arm with the first one.
    """
    usual = [("scratch", "kd"), ("published_scratch", "published_kd"), ("published_scratch", "scratch")]
    pairs = [pair for pair in (*usual, ("published_kd", "kd")) if set(pair) <= set(config["arms"])]
    first, *others = config["arms"]
    declared = {f"{after}_against_{before}": (before, after) for before, after in pairs or [(first, o) for o in others]}
    return {
        name: {"question": "", "arms": list(pair)}
        for name, pair in declared.items()
        if _places_of_all(config, "arms", list(pair))
    }


def _places_of_all(config: dict, kind: str, names: list[str]) -> list[str]:
    """The scenarios that train all these arms, or the arms that all these scenarios train."""
    scenarios = config["scenarios"]
    if kind == "arms":
        return [name for name, scenario in scenarios.items() if set(names) <= set(scenario["arms"])]
    return [arm for arm in config["arms"] if all(arm in scenarios[name]["arms"] for name in names)]
