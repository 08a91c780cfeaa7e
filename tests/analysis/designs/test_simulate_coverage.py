"""In simulated studies, intervals cover the truth as often as stated if the design covers all variation.

They simulate fewer studies than the documented command.
"""

import numpy as np
import pytest

from distillery.analysis.designs.run_design import RunDesign
from distillery.analysis.designs.simulate_coverage import Simulation, coverage, report, simulated_best_sets

DRAWS = 300
SLACK = 4 * (0.05 * 0.95 / DRAWS) ** 0.5


@pytest.mark.parametrize("design", [(6, 6, 6), (6, 2, 2), (6, 2, 3), (3, 3, 3)])
def test_intervals_hold_where_runs_differ_in_teacher_and_draw(design):
    seeds, *shared = design
    found = coverage(Simulation(seeds, RunDesign(*shared)), DRAWS)
    assert found.held >= 0.95 - SLACK and found.alarms <= 0.05 + SLACK


def test_a_shared_teacher_and_draw_raise_false_alarms_as_the_page_warns():
    found = coverage(Simulation(6, RunDesign()), DRAWS)
    assert 0.15 < found.alarms < 0.4
    nothing_shared = coverage(Simulation(6, RunDesign(), teacher=0, draw=0), DRAWS)
    assert nothing_shared.held >= 0.95 - SLACK and nothing_shared.alarms <= 0.05 + SLACK


def test_the_set_of_the_best_contains_the_best():
    held, first, size = simulated_best_sets(Simulation(6, RunDesign(6, 6)), np.array([1.0, 0, 0, 0, 0]), 60)
    assert held >= 0.95 - 4 * (0.05 * 0.95 / 60) ** 0.5 and first < 0.8 and 1 <= size <= 5


def test_the_command_prints_a_line_a_design():
    lines = list(report(4))
    assert any(line.startswith("    6        6     6 |") and line.endswith("| -") for line in lines)
