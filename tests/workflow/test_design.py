"""Runs that differ in their teacher and draw of train images: one teacher and one draw ask for no further jobs."""

import copy

import pytest

from .conftest import STUDY, Study, write_own_images

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("shared", [True, False])
def test_each_further_teacher_is_trained_and_each_draw_planned(tmp_path, shared):
    write_own_images(tmp_path)
    config = copy.deepcopy(STUDY)
    if not shared:
        config["teacher"]["seeds"] = config["split"]["draws"] = 2
    jobs = Study(tmp_path, config).counted("results/report.html")
    further = {name: jobs[name] for name in ("train_another_teacher", "evaluate_another_teacher", "plan_another_draw")}
    scenarios = len(config["scenarios"])
    assert further == dict(zip(further, (0, 0, 0) if shared else (1, 1, scenarios), strict=True))
    # seeds share a job, though each has a teacher and a draw of its own
    assert jobs["train_student"] == 8 and jobs["plan_scenario"] == scenarios
