"""The error over runs that share teachers and draws: known cases, unbiased components, variation not covered."""

import numpy as np
import pytest

from distillery.analysis.designs.run_design import NO_DESIGN, RunDesign, over_runs, variance_components
from distillery.analysis.error_model import over_seeds

SEEDS = np.arange(6)


def test_one_teacher_and_one_draw_give_exactly_student_s_t_interval():
    values = np.random.default_rng(0).normal(0, 1, 6)
    for design in (NO_DESIGN, RunDesign(6, 6), RunDesign(7, 1), RunDesign(1, 6)):  # or one for each run
        assert over_runs(values, SEEDS, design) == over_seeds(values)


def test_runs_of_one_teacher_count_as_one():
    values = np.array([1.0, 4.0, 1.0, 4.0, 1.0, 4.0])
    error = over_runs(values, SEEDS, RunDesign(teachers=2))
    assert error.dofs == (1,) and error.se == pytest.approx(over_seeds([1.0, 4.0]).se)
    # each of six draws has one of the two teachers: the teachers' variance contains the draws'
    assert over_runs(values, SEEDS, RunDesign(2, 6)) == error


def test_variances_of_crossed_teachers_and_draws_are_added():
    values = np.random.default_rng(1).normal(0, 1, 6)
    crossed, of_teacher, of_draw = (
        over_runs(values, SEEDS, d) for d in (RunDesign(2, 3), RunDesign(2), RunDesign(1, 3))
    )
    assert crossed.dofs == (1, 2) and crossed.variances == of_teacher.variances + of_draw.variances


def test_variation_of_a_teacher_or_draw_that_all_runs_share_is_not_covered():
    assert NO_DESIGN.not_covered(SEEDS) == ["teacher", "draw of train images"]
    assert RunDesign(2, 1).not_covered(SEEDS) == ["draw of train images"]
    assert RunDesign(2, 3).not_covered(SEEDS) == []
    assert RunDesign(1, 3, uses_teacher=False).not_covered(SEEDS) == []
    assert RunDesign(6, 6).not_covered(np.array([3])) == ["teacher", "draw of train images"]


def test_variance_components_are_unbiased_if_factors_are_crossed():
    rng, seeds, design = np.random.default_rng(2), np.arange(12), RunDesign(4, 3)
    found = []
    for _ in range(3000):
        shared = rng.normal(0, 2, 4)[seeds % 4] + rng.normal(0, 3, 3)[seeds % 3]
        values = shared + rng.normal(0, 1, 12)
        # negative estimates are set to 0, which biases the mean; with 12 = 4 x 3 runs no large component is negative
        found.append(variance_components(values, seeds, design))
    means = {name: np.mean([one[name] for one in found]) for name in found[0]}
    assert means == pytest.approx({"training": 1, "teacher": 4, "draw of train images": 9}, rel=0.12)


def test_factors_that_vary_only_together_are_named_together():
    values = np.array([1.0, 2.0, 3.0, 5.0])
    found = variance_components(values, np.arange(4), RunDesign(4, 4))
    assert found == pytest.approx({"training + teacher + draw of train images": values.var(ddof=1)})
    assert list(variance_components(values, np.arange(4), RunDesign(2, 2))) == [
        "training",
        "teacher + draw of train images",
    ]
    assert variance_components(values[:1], np.arange(1)) == {}
