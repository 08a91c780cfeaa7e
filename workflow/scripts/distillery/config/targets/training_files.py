"""The names of the files of teachers, trials and students.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from distillery.config.queries.source_queries import Study, kept_by_teacher, other_test_sources
from distillery.config.queries.training_queries import (
    adopted_members,
    deployed_students,
    fits_scale,
    settings_of_arm,
    tuning_of,
    uses_teacher,
)
from distillery.config.targets.image_files import plan

ONE_TRIAL = "lr{lr}_decay{weight_decay}_seed{seed}"


def trained_teacher(study: Study) -> str:
    """The weights of the teacher that the study trains: the only teacher, or one of several."""
    return f"results/teacher/{'model' if study['teacher']['kind'] == 'train' else 'trained'}.safetensors"


def adopted_teacher(study: Study) -> str:
    """The weights of an adopted teacher: the final file, or the one before the scale of its logits is fitted."""
    return f"results/teacher/{'unscaled' if fits_scale(study) else 'model'}.safetensors"


def files_of_adopted(study: Study) -> list[str]:
    """The local files of adopted teachers, including every file in their folders."""
    parts = [member[member["kind"]] for member in adopted_members(study).values()]
    paths = [Path(part[key]) for part in parts for key in ("model", "labels") if part.get(key)]
    found = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [str(path) for path in found if path.is_file()]


def of_deployed(study: Study, pattern: str) -> list[str]:
    """A file for each student that is exported and measured.

    Args:
        pattern: of the path, with the fields {student}, or {scenario} and {arm}.
    """
    names = [(student, *student.split(".", 1)) for student in deployed_students(study)]
    return [pattern.format(student=student, scenario=scenario, arm=arm) for student, scenario, arm in names]


def all_seeds(study: Study, pattern: str) -> list[str]:
    """The files of all seeds, from a pattern with `{seed}`."""
    return [pattern.replace("{seed}", str(seed)) for seed in range(study["seeds"])]


def seeds_in_job(study: Study, pattern: str) -> list[str]:
    """The files that one job writes for a pattern with `{seed}`: those of all seeds, or only its wildcard's."""
    return [pattern] if study["seeds_per_job"] == 1 else all_seeds(study, pattern)


def plans_of_job(study: Study, scenario: str, wildcards: Any) -> list[str]:
    """The plans that a job's students are trained by. The student of seed n uses draw n modulo the number of draws.

    Args:
        wildcards: of the job; without `seed` it trains all seeds.
    """
    return [plan(scenario, draw) for draw in _numbers_of_job(study, study["split"]["draws"], wildcards)]


def _numbers_of_job(study: Study, count: int, wildcards: Any) -> list[int]:
    """The seeds that a job trains modulo `count`, each number once, in order."""
    seeds = [int(wildcards.seed)] if "seed" in wildcards.keys() else range(study["seeds"])  # noqa: SIM118, no mapping
    return list(dict.fromkeys(seed % count for seed in seeds))


def name_of_training_job(study: Study) -> str:
    """The pattern for the names of the log and benchmark of a job that trains students."""
    return "{scenario}.{arm}" + (".seed{seed}" if study["seeds_per_job"] == 1 else "")


def teacher_file(number: int, file: str = "model.safetensors") -> str:
    """The path of a file of teacher `number`, counted from 0."""
    return f"results/teacher/{f'seed{number}/' if number else ''}{file}"


def filter_teacher_files(study: Study, source: str) -> dict[str, str]:
    """The teacher that filters a source's images; empty if none does."""
    return {"teacher": teacher_file(0)} if kept_by_teacher(study, source) else {}


def teacher_of(study: Study, arm: str, number: int = 0) -> str:
    """The weights of teacher `number`, if the method of an arm uses the teacher; else empty."""
    return teacher_file(number) if uses_teacher(study, arm) else ""


def teachers_of_job(study: Study, arm: str, wildcards: Any) -> list[str]:
    """The teachers of a job that trains students, as in `plans_of_job`; none if the arm uses no teacher."""
    numbers = _numbers_of_job(study, study["teacher"]["seeds"], wildcards)
    return [teacher_of(study, arm, number) for number in numbers if uses_teacher(study, arm)]


def predictions_of_teachers(study: Study) -> list[str]:
    """The predictions of every teacher that has students."""
    return [
        teacher_file(number, "predictions.parquet") for number in range(min(study["teacher"]["seeds"], study["seeds"]))
    ]


def trials_of(tuned: str, grid: Mapping[str, Any]) -> list[str]:
    """The trials of a scenario, or of one of its arms: one training for each combination in a grid.

    Args:
        tuned: name of the tuning, `{scenario}` or `{scenario}.{arm}`, see `tuning_of`.
        grid: lists `lr` and `weight_decay`, and the number of `seeds`.
    """
    settings = product(grid["lr"], grid["weight_decay"], range(grid["seeds"]))
    return [f"results/tuning/{tuned}/lr{lr}_decay{decay}_seed{seed}.json" for lr, decay, seed in settings]


class TrialRule(NamedTuple):
    """A rule that runs the trials of one grid. Patterns have the wildcard `{scenario}`.

    Attributes:
        name: of the rule.
        folder: of its logs, benchmarks and checkpoints.
        job: pattern for the names of a job's log and benchmark.
        trials: patterns of the files that one job writes: of all trials of the grid, or of its wildcards' trial.
        arm: the method and its settings.
        teacher: weights of the teacher; empty if the method uses none.
    """

    name: str
    folder: str
    job: str
    trials: list[str]
    arm: dict[str, Any]
    teacher: str


def trial_rules(study: Study) -> list[TrialRule]:
    """The rules that run trials: one for the student's grid, which trains from scratch, and one for each arm's grid."""
    own = {name: arm["tune"] for name, arm in study["arms"].items() if "tune" in arm}
    rules = []
    if "tune" in study["student"]:
        found = _job_and_trials(study, "{scenario}", study["student"]["tune"])
        rules.append(TrialRule("run_trial", "run_trial", *found, {"method": "ce"}, ""))
    for arm, grid in own.items():
        found = _job_and_trials(study, f"{{scenario}}.{arm}", grid)
        settings = settings_of_arm(study, arm)
        rules.append(TrialRule(f"run_arm_trial_{arm}", "run_arm_trial", *found, settings, teacher_of(study, arm)))
    return rules


def _job_and_trials(study: Study, tuned: str, grid: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The attributes `job` and `trials` of a `TrialRule`."""
    if study["seeds_per_job"] == 1:
        return f"{tuned}.{ONE_TRIAL}", [f"results/tuning/{tuned}/{ONE_TRIAL}.json"]
    return tuned, trials_of(tuned, grid)


def names_of_trials(study: Study) -> list[str]:
    """The name of every trial's benchmark: `{scenario}.lr…` or `{scenario}.{arm}.lr…`."""
    grids = dict(
        found
        for scenario, settings in study["scenarios"].items()
        for arm in settings["arms"]
        if (found := tuning_of(study, scenario, arm))
    )
    return [f"{tuned}.{Path(path).stem}" for tuned, grid in grids.items() for path in trials_of(tuned, grid)]


def chosen_settings(study: Study, scenario: str, arm: str) -> str | None:
    """The file of the hyperparameters chosen for an arm in a scenario; None without tuning."""
    found = tuning_of(study, scenario, arm)
    return f"results/tuning/{found[0]}.json" if found else None


def runs_of(study: Study, scenario: str, file: str = "metrics.json") -> list[str]:
    """The path of this file for every run of a scenario."""
    runs = product(study["scenarios"][scenario]["arms"], range(study["seeds"]))
    return [f"results/runs/{scenario}/{arm}/seed{seed}/{file}" for arm, seed in runs]


def other_test_predictions(study: Study) -> list[str]:
    """The predictions of all students for test images outside the common test set; empty if there are none."""
    shown = study["scenarios"].items() if other_test_sources(study) else ()
    return [f"results/other_test_sets/{name}.{arm}.parquet" for name, scenario in shown for arm in scenario["arms"]]


def runs_of_all(study: Study, file: str) -> list[str]:
    """The path of this file for every run of the study."""
    return [path for scenario in study["scenarios"] for path in runs_of(study, scenario, file)]
