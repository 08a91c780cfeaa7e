"""Plans a study before it runs: the smallest difference it can detect, and the cost of detecting smaller ones.

The variances of a difference are not known before a study. `ASSUMED` has values rounded from the studies on real images
in docs/arms.md (800 train images, students of 150 thousand weights); with more images differences vary less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from distillery.analysis.declared_tests import sides_of
from distillery.analysis.designs.run_design import DRAW, TEACHER, TRAINING, RunDesign, coarsest
from distillery.analysis.error_model import ErrorModel
from distillery.analysis.statistics import SIGNIFICANCE_LEVEL
from distillery.storage.files import atomic_write

# standard deviations of the difference of two single runs, percentage points
ASSUMED: Mapping[str, float] = {TRAINING: 1.3, TEACHER: 1.3, DRAW: 1.25}
# variance over test images of the fraction of runs in which one arm classifies an image correctly − that of the other
IMAGE_VARIANCE = 0.12
MAX_SEEDS = 60  # of a suggested design
POINTS = (1, 2, 3, 5)  # differences that the second table finds a design for
TABLE_SEEDS = (3, 4, 5, 6, 8, 10, 12)  # of the designs in the first table


@dataclass(frozen=True)
class StudyPlan:
    """The quantities that decide which differences a study can detect, and what it costs.

    Attributes:
        seeds: trainings of each scenario and arm.
        design: their teachers and draws.
        test_images: number of common test images.
        tests: number of tests that are corrected together.
        students: trainings per seed, one for each arm of each scenario.
        trials: trainings that select hyperparameters.
    """

    seeds: int
    design: RunDesign
    test_images: int
    tests: int
    students: int
    trials: int

    @staticmethod
    def of(study: Mapping[str, Any], trials: int) -> StudyPlan:
        """The plan of a checked configuration.

        Args:
            study: the configuration.
            trials: trainings that select hyperparameters.
        """
        split, declared = study["split"], study["comparisons"].values()
        tests = [len(list(sides_of(one))) for one in declared] or [1]
        return StudyPlan(
            seeds=study["seeds"],
            design=RunDesign(study["teacher"]["seeds"], split["draws"]),
            test_images=sum(split["test"][source] for source in split["common"]),
            tests=sum(tests) if study["correction"] == "study" else tests[0],
            students=sum(len(scenario["arms"]) for scenario in study["scenarios"].values()),
            trials=trials,
        )

    def detectable(self) -> float:
        """The smallest true difference, percentage points, that a test finds with 80 % power; NaN with one seed."""
        seeds = np.arange(self.seeds)
        levels = {TRAINING: seeds} | self.design.levels(seeds)
        counts = {name: len(np.unique(by_run)) for name, by_run in levels.items()}
        shared = {name: by_run for name, by_run in levels.items() if name != TRAINING and counts[name] > 1}
        groupings = coarsest(list(shared.values())) or [seeds]
        variances, dofs = [], []
        for grouping in groupings:
            # the factors nested in the grouping; each adds its variance divided by its number of levels
            factors = [name for name in (TRAINING, *shared) if _varies_within(levels[name], grouping, groupings)]
            variances.append(sum(ASSUMED[name] ** 2 / counts[name] for name in factors))
            dofs.append(len(np.unique(grouping)) - 1)
        images = ErrorModel(0.0, (1e4 * IMAGE_VARIANCE / self.test_images,), (self.test_images - 1,))
        error = ErrorModel(0.0, (*variances, *images.variances), (*dofs, *images.dofs))
        return error.detectable(SIGNIFICANCE_LEVEL / self.tests)

    def trainings(self) -> int:
        """Number of trainings of students, trials included."""
        return self.seeds * self.students + self.trials

    def with_own_teachers_and_draws(self, seeds: int) -> StudyPlan:
        """The plan with another number of seeds, and a separate teacher and draw for each."""
        return replace(self, seeds=seeds, design=replace(self.design, teachers=seeds, draws=seeds))

    def line(self) -> str:
        """The plan in one line, for the terminal."""
        found = self.detectable()
        points = f"they find a difference of {found:.1f} points 4 times in 5, a smaller one less often"
        if not found <= 100:  # points; NaN too
            points = "no verdict"
        missing = ", ".join(self.design.not_covered(np.arange(self.seeds)))
        uncovered = f"; intervals do not cover: {missing}" if missing else ""
        return f"Plan: {self.seeds} seeds, {self.test_images:,} test images: {points}{uncovered} (results/plan.md)"


def _varies_within(levels: np.ndarray, grouping: np.ndarray, groupings: list[np.ndarray]) -> bool:
    """Whether the variance between the groups of a grouping contains that of a factor with these levels."""
    return len(groupings) == 1 or len(coarsest([levels, grouping])) == 1


class TrainingSeconds(NamedTuple):
    """Mean seconds of one training; NaN if none has finished."""

    student: float
    teacher: float

    def of(self, plan: StudyPlan) -> float:
        """Seconds of all trainings of a plan; teachers count only if a training of one was measured."""
        teachers = min(plan.design.teachers, plan.seeds) * (0.0 if np.isnan(self.teacher) else self.teacher)
        return plan.trainings() * self.student + teachers


def write_plan(plan: StudyPlan, output: str | Path, benchmarks: str | Path = "") -> None:
    """Write `plan.md`.

    Args:
        plan: the study's plan.
        output: the file to write.
        benchmarks: folder with the benchmarks of finished jobs; without those of students, hours are left blank.
    """
    folder = Path(benchmarks) if benchmarks else None
    students = seconds_of_training(folder / "train_student" if folder else "", plan.seeds)
    atomic_write(output, "\n".join(_lines(plan, TrainingSeconds(students, _teacher_seconds(folder)))) + "\n")


def _teacher_seconds(benchmarks: Path | None) -> float:
    file = benchmarks / "train_teacher.tsv" if benchmarks else None
    return _seconds(file)[0] if file and file.is_file() else nan


def _seconds(benchmark: Path) -> list[float]:
    columns, *rows = (line.split("\t") for line in benchmark.read_text(encoding="utf-8").splitlines())
    return [float(row[columns.index("s")]) for row in rows]


def seconds_of_training(benchmarks: str | Path, seeds: int) -> float:
    """Mean seconds of one training, from the benchmarks of jobs that train students; NaN if there are none.

    Args:
        benchmarks: a folder of `{scenario}.{arm}[.seed{n}].tsv`.
        seeds: number of trainings in a job whose file name has no seed.
    """
    found = []
    for path in sorted(Path(benchmarks).glob("*.tsv")) if benchmarks else []:
        count = 1 if ".seed" in path.stem else seeds
        found += [seconds / count for seconds in _seconds(path)]
    return float(np.mean(found)) if found else nan


def _lines(plan: StudyPlan, seconds: TrainingSeconds) -> Iterator[str]:
    yield from ("# What this study can find", "", plan.line().removesuffix(" (results/plan.md)") + ".", "")
    images = 100 * (IMAGE_VARIANCE / plan.test_images) ** 0.5
    yield (
        f"Assumed: the difference of two runs varies by {ASSUMED[TRAINING]} points with the training,"
        f" {ASSUMED[TEACHER]} with the teacher and {ASSUMED[DRAW]} with the draw of train images; test images add a"
        f" standard error of {images:.2f} points. A finished study's own numbers are in `sd_by_cause` of"
        f" `results/tables/comparisons.csv`. p is corrected for {plan.tests} tests."
    )
    yield ""
    yield "| seeds | teachers | draws | smallest difference, points | not covered | trainings | cost | hours |"
    yield "|---|---|---|---|---|---|---|---|"
    alternatives = [plan, replace(plan, design=RunDesign())]
    alternatives += [plan.with_own_teachers_and_draws(seeds) for seeds in TABLE_SEEDS]
    for other in dict.fromkeys(alternatives):
        yield _row(other, plan, seconds)
    yield from ("", "| to find | seeds, teachers and draws | trainings | cost | hours |", "|---|---|---|---|---|")
    for points in POINTS:
        designs = (plan.with_own_teachers_and_draws(seeds) for seeds in range(2, MAX_SEEDS + 1))
        enough = next((one for one in designs if one.detectable() <= points), None)
        if enough is None:
            yield f"| {points} points | more than {MAX_SEEDS}: take more test images or fewer tests | | | |"
        else:
            yield f"| {points} points | {enough.seeds} | {_cost(enough, plan, seconds)} |"
    yield ""
    yield (
        "Cost counts trainings of students, trials included, against this configuration; hours count teachers that are"
        " trained too."
    )
    if np.isnan(seconds.student):
        yield "Hours are known once students have trained: run again then, `snakemake --force results/plan.md`."


def _row(other: StudyPlan, plan: StudyPlan, seconds: TrainingSeconds) -> str:
    name = f"**{other.seeds}** (this study)" if other == plan else str(other.seeds)
    teachers, draws = (min(count, other.seeds) for count in (other.design.teachers, other.design.draws))
    missing = ", ".join(other.design.not_covered(np.arange(other.seeds)))
    return f"| {name} | {teachers} | {draws} | {other.detectable():.1f} | {missing} | {_cost(other, plan, seconds)} |"


def _cost(other: StudyPlan, plan: StudyPlan, seconds: TrainingSeconds) -> str:
    hours = "" if np.isnan(seconds.student) else f"{seconds.of(other) / 3600:.1f}"
    return f"{other.trainings():,} | {other.trainings() / plan.trainings():.2f} | {hours}"
