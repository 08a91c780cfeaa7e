"""Simulates studies of several designs, to check the coverage of intervals and the false positive rate of tests.

    python -m distillery.analysis.designs.simulate_coverage [repetitions]

Each study compares two equally good arms on `IMAGES` test images. Their difference varies with the training, the
teacher and the draw of train images, and some images favor one arm. For each design the command prints how often the
95 % interval holds the true difference, how often p is at most 0.05, and the interval's half width. Then it prints how
often the set of the best, those that no other is significantly better than, holds the truly best of `CANDIDATES` arms.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from distillery.analysis.designs.run_design import RunDesign
from distillery.analysis.pairing import paired_error
from distillery.analysis.ranking import PairErrors

REPETITIONS = 2000
IMAGES = 1000
CANDIDATES = 8
POINT = 1 / 24  # change of an image's latent ease that changes accuracy by about one percentage point
# standard deviations of latent ease: over images, over predictions of an image, and of an image's preference for an arm
EASE, NOISE, PREFERENCE = 1.5, 0.7, 0.5


@dataclass(frozen=True)
class Simulation:
    """A design, and how much each factor varies.

    Attributes:
        seeds: trainings of each arm.
        design: their teachers and draws.
        training, teacher, draw: standard deviations of the difference of two arms, percentage points.
    """

    seeds: int
    design: RunDesign
    training: float = 1.0
    teacher: float = 1.3
    draw: float = 1.25

    def shifts(self, rng: np.random.Generator) -> np.ndarray:
        """Percentage points [S] by which each run's accuracy is above its arm's true accuracy."""
        runs = np.arange(self.seeds)
        by_teacher = rng.normal(0, self.teacher, self.design.teachers)[runs % self.design.teachers]
        by_draw = rng.normal(0, self.draw, self.design.draws)[runs % self.design.draws]
        # the variances are of a difference of two arms, so each arm has half
        return (rng.normal(0, self.training, self.seeds) + by_teacher + by_draw) / 2**0.5

    def arms(self, rng: np.random.Generator, better: np.ndarray, images: int = IMAGES) -> np.ndarray:
        """Simulate whether predictions are correct, bool [arms, S, N].

        Args:
            rng: draws all random effects.
            better: percentage points added to each arm's true accuracy, [arms].
            images: number of test images N.
        """
        ease = rng.normal(0, EASE, images)
        preference = rng.normal(0, PREFERENCE / 2**0.5, (len(better), 1, images))
        shifts = np.stack([points + self.shifts(rng) for points in better])
        noise = rng.normal(0, NOISE, (len(better), self.seeds, images))
        return ease + preference + POINT * shifts[..., None] + noise > 0


@dataclass(frozen=True)
class Coverage:
    """Results of the simulations of one design.

    Attributes:
        held: fraction of intervals that hold the true difference.
        alarms: fraction of false positives: p of at most 0.05 although the arms are equally good.
        reach: median half width of the intervals, percentage points.
    """

    held: float
    alarms: float
    reach: float


def coverage(simulation: Simulation, repetitions: int = REPETITIONS, seed: int = 0) -> Coverage:
    """Simulate studies of two equally good arms, and measure the coverage of their intervals."""
    rng, seeds, groups = np.random.default_rng(seed), np.arange(simulation.seeds), np.arange(IMAGES)
    errors = []
    for _ in range(repetitions):
        before, after = simulation.arms(rng, np.zeros(2))
        errors.append(paired_error(before, after, groups, seeds, simulation.design))
    ends = np.array([error.interval() for error in errors])
    held = ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean()
    alarms = np.mean([error.p() <= 0.05 for error in errors])
    return Coverage(float(held), float(alarms), float(np.median(ends[:, 1] - ends[:, 0]) / 2))


def simulated_best_sets(
    simulation: Simulation, better: np.ndarray, repetitions: int, seed: int = 0
) -> tuple[float, float, float]:
    """Simulate studies of several arms, of which the first is truly best, on `IMAGES` / 2 test images.

    Args:
        simulation: the design.
        better: percentage points added to each arm's true accuracy, [arms].
        repetitions: number of studies.
        seed: of the random generator.

    Returns:
        The fraction of studies whose set of the best holds the first arm, the fraction in which the first arm has the
        highest accuracy, and the mean size of the set.
    """
    rng, groups, seeds = np.random.default_rng(seed), np.arange(IMAGES // 2), np.arange(simulation.seeds)
    held, first, sizes = [], [], []
    for _ in range(repetitions):
        correct = simulation.arms(rng, better, IMAGES // 2)
        pairs = PairErrors(
            {
                (j, k): paired_error(correct[k], correct[j], groups, seeds, simulation.design)
                for k in range(len(better))
                for j in range(k)
            }
        )
        best = pairs.among_best(range(len(better)))
        held.append(best[0] == "yes")
        first.append(int(correct.mean(axis=(1, 2)).argmax()) == 0)
        sizes.append(sum(name == "yes" for name in best.values()))
    return float(np.mean(held)), float(np.mean(first)), float(np.mean(sizes))


# seeds, teachers, draws
DESIGNS = (
    (3, 1, 1), (6, 1, 1), (12, 1, 1), (6, 6, 1), (6, 1, 6), (6, 2, 2), (6, 3, 3), (6, 2, 3), (6, 3, 2), (6, 2, 6),
    (3, 3, 3), (6, 6, 6), (7, 7, 7), (8, 8, 8), (12, 4, 3), (7, 3, 2),
)  # fmt: skip


def report(repetitions: int) -> Iterator[str]:
    """The lines that the command prints.

    Args:
        repetitions: number of studies per design.
    """
    one = Simulation(6, RunDesign())
    yield (
        f"{repetitions} studies a design; a difference varies by {one.training} points with the training,"
        f" {one.teacher} with the teacher, {one.draw} with the draw of train images"
    )
    yield "seeds teachers draws | interval holds | false alarms at 0.05 | half width, points | not covered"
    for seeds, teachers, draws in DESIGNS:
        design = RunDesign(teachers, draws)
        found = coverage(Simulation(seeds, design), repetitions)
        missing = ", ".join(design.not_covered(np.arange(seeds))) or "-"
        yield (
            f"{seeds:5} {teachers:8} {draws:5} | {100 * found.held:12.1f} % | {100 * found.alarms:18.1f} % |"
            f" {found.reach:18.2f} | {missing}"
        )
    few = repetitions // 4
    yield f"the set of the best of {CANDIDATES}, {few} studies each: holds the best | the best comes first | members"
    for name, better in (("all equal", 0.0), ("one better by 1 point", 1.0), ("by 4 points", 4.0)):
        differences = np.append(better, np.zeros(CANDIDATES - 1))
        held, first, size = simulated_best_sets(Simulation(6, RunDesign(6, 6)), differences, few)
        yield f"{name}: {100 * held:.1f} % | {100 * first:.1f} % | {size:.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repetitions", type=int, nargs="?", default=REPETITIONS, help="simulated studies of a design")
    for line in report(parser.parse_args().repetitions):
        print(line, flush=True)
