"""A plan's smallest difference is detected in 4 of 5 simulated studies; more seeds and images detect smaller ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distillery.analysis.designs import planning
from distillery.analysis.designs.planning import ASSUMED, StudyPlan, seconds_of_training, write_plan
from distillery.analysis.designs.run_design import DRAW, TEACHER, TRAINING, RunDesign
from distillery.analysis.designs.simulate_coverage import IMAGES, Simulation
from distillery.analysis.pairing import paired_error
from distillery.config.queries.training_queries import design_of_study
from distillery.config.reading import load_config

ROOT = Path(__file__).parents[3]

PLAN = StudyPlan(seeds=6, design=RunDesign(6, 6), test_images=IMAGES, tests=1, students=10, trials=4)


@pytest.mark.parametrize("design", [RunDesign(6, 6), RunDesign(3, 3)])
def test_the_smallest_difference_is_found_four_times_in_five(design, monkeypatch):
    rng, found = np.random.default_rng(0), []
    simulation = Simulation(6, design, ASSUMED[TRAINING], ASSUMED[TEACHER], ASSUMED[DRAW])
    before, after = simulation.arms(rng, np.zeros(2))
    preference = (before.mean(axis=0) - after.mean(axis=0)).var()  # of the mean over runs, as in the verdict
    monkeypatch.setattr(planning, "IMAGE_VARIANCE", preference)
    points = replace(PLAN, design=design).detectable()
    for _ in range(250):
        before, after = simulation.arms(rng, np.array([0.0, points]))
        found.append(paired_error(before, after, np.arange(IMAGES), np.arange(6), design).p() <= 0.05)
    assert 0.65 < np.mean(found) < 0.95  # approximate, because quantiles of few degrees of freedom are added


def test_the_plan_s_job_counts_the_tests_as_the_start_of_a_run_does(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = load_config("config.yaml") | {"correction": "study"}
    first, second, *_ = study["scenarios"]
    study["comparisons"] = {
        "arms": {"arms": ["scratch", "kd", "kd_tuned"], "within": [first, second]},
        "scenarios": {"scenarios": [first, second], "within": ["scratch", "kd"]},
        "students": {"students": [f"{first}.scratch", f"{second}.kd"]},
    }
    assert StudyPlan.of(design_of_study(study), 4) == StudyPlan.of(study, 4)
    assert StudyPlan.of(study, 4).tests == 2 * 2 + 2 + 1
    assert StudyPlan.of(study | {"correction": "question"}, 4).tests == 4


def test_more_seeds_images_and_fewer_tests_find_smaller_differences():
    best = PLAN.detectable()
    for worse in (
        {"seeds": 4},
        {"test_images": 200},
        {"tests": 5},
        {"design": RunDesign(2, 2)},
        {"design": RunDesign(2, 3)},
    ):
        assert replace(PLAN, **worse).detectable() > best
    # the interval does not cover variation that all runs share, so it is narrower, and the line says so
    shared = replace(PLAN, design=RunDesign())
    assert shared.detectable() < best and shared.line().endswith(
        "a smaller one less often; intervals do not cover: teacher, draw of train images (results/plan.md)"
    )
    assert "no verdict" in replace(PLAN, seeds=1).line()
    assert "2 test images: no verdict" in replace(PLAN, test_images=2).line()  # formally it would detect 1,000 points


def test_the_plan_s_tables(tmp_path):
    write_plan(PLAN, tmp_path / "plan.md")
    text = (tmp_path / "plan.md").read_text()
    assert "| **6** (this study) | 6 | 6 |" in text and "| 64 | 1.00 |  |" in text and "Hours are known once" in text
    folder = tmp_path / "benchmarks" / "train_student"
    folder.mkdir(parents=True)
    (folder / "web.kd.tsv").write_text("s\tcpu_time\n60.0\t50\n")
    (folder / "web.scratch.seed3.tsv").write_text("s\tcpu_time\n20.0\t50\n")
    assert seconds_of_training(folder, seeds=6) == 15.0
    write_plan(PLAN, tmp_path / "plan.md", folder.parent)
    assert "| 64 | 1.00 | 0.3 |" in (tmp_path / "plan.md").read_text()
    (folder.parent / "train_teacher.tsv").write_text("s\tcpu_time\n3600.0\t50\n")
    write_plan(PLAN, tmp_path / "plan.md", folder.parent)
    assert "| 64 | 1.00 | 6.3 |" in (tmp_path / "plan.md").read_text()  # six teachers of an hour each
