"""Studies with several teachers and draws of train images have a job for each; others have no such jobs."""

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
    # seeds share a job although each has its own teacher and draw
    assert jobs["train_student"] == 8 and jobs["plan_scenario"] == scenarios
