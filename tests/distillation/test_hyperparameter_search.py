"""Hyperparameter search: on validation images, training from scratch, and never on test images."""

import json
import logging
import tempfile
from dataclasses import replace

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tiny_study import RECIPE

from distillery.config.defaults import arm_defaults
from distillery.distillation import student
from distillery.distillation.hyperparameter_search import (
    Trial,
    run_trial,
    select_best,
    with_best_setting,
    write_best_setting,
    write_trial,
)
from distillery.distillation.methods.label_methods import CrossEntropy
from distillery.distillation.methods.registry import arm_of
from distillery.jobs import UserError, log


def tiny_trial(study, data=None, lr=0.1, **settings):
    return run_trial(
        data or study.data(),
        settings.pop("teacher", ""),
        arm=settings.pop("arm", CrossEntropy()),
        recipe=replace(RECIPE, steps=10, lr=lr, weight_decay=1e-4),
        seed=0,
        label="colors",
        checkpoints=settings.pop("checkpoints", None) or tempfile.mkdtemp(dir=study.folder),
        threads=1,
        **settings,
    )


def test_a_trial_equals_the_scratch_run_with_its_settings(study):
    trial = tiny_trial(study, lr=0.05)
    run = study.train("ce", replace(RECIPE, steps=10, lr=0.05, weight_decay=1e-4))
    assert trial == Trial(0.05, 1e-4, 0, run.metrics["val_accuracy"])


def test_a_trial_of_an_arm_equals_a_run_of_the_arm(study):
    trial = tiny_trial(study, lr=0.05, arm=arm_of(arm_defaults("kd")), teacher=study.teacher)
    run = study.train("kd", replace(RECIPE, steps=10, lr=0.05, weight_decay=1e-4))
    assert trial == Trial(0.05, 1e-4, 0, run.metrics["val_accuracy"])


def test_a_trial_that_diverges_has_no_accuracy_and_leaves_no_checkpoint(study, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.WARNING, logger=log.name):
        assert tiny_trial(study, lr=1e30, checkpoints=tmp_path) == Trial(1e30, 1e-4, 0, None)
    assert "the loss is not finite" in caplog.text and "This setting is skipped" in caplog.text
    assert not (tmp_path / "checkpoint.pt").exists()


def test_if_all_settings_diverge_there_is_an_error_and_no_file(tmp_path):
    write_trial(tmp_path / "trial.json", Trial(9.0, 0.0, 0, None))
    with pytest.raises(UserError, match=r"every setting of arms.dkd.tune diverged. Give arms.dkd.tune.lr smaller"):
        write_best_setting(tmp_path / "choice.json", [tmp_path / "trial.json"], "arms.dkd.tune")
    assert not (tmp_path / "choice.json").exists()


def test_a_setting_that_diverged_with_one_seed_is_passed_over():
    unstable = [Trial(0.1, 0.0, 0, 0.9), Trial(0.1, 0.0, 1, None)]
    assert select_best([*unstable, Trial(0.2, 0.0, 0, 0.0), Trial(0.2, 0.0, 1, 0.1)]) == (0.2, 0.0)


def test_an_accuracy_of_0_is_not_divergence():
    """It can occur with few validation images and short trainings."""
    assert select_best([Trial(0.1, 0.0, 0, 0.0), Trial(0.05, 0.0, 0, 0.0)]) == (0.05, 0.0)


def test_the_highest_mean_wins_and_of_equals_the_smaller():
    trials = [Trial(0.1, 0.0, 0, 0.5), Trial(0.1, 0.0, 1, 0.9), Trial(0.2, 0.0, 0, 0.8), Trial(0.2, 0.0, 1, 0.7)]
    assert select_best(trials) == (0.2, 0.0)
    assert select_best([Trial(0.4, 1.0, 0, 0.5), Trial(0.4, 0.5, 0, 0.5), Trial(0.2, 1.0, 0, 0.5)]) == (0.2, 1.0)


@pytest.mark.parametrize(("accuracies", "warned"), [((0.1, 0.9, 0.2), False), ((0.1, 0.2, 0.9), True)])
def test_a_best_value_at_the_end_of_the_grid_gives_a_warning(accuracies, warned, caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.WARNING, logger=log.name):
        tried = [Trial(lr, 0.0, 0, reached) for lr, reached in zip((0.1, 0.2, 0.4), accuracies, strict=True)]
        select_best(tried)
        select_best(tried, "arms.dkd.tune", "scenario small, arm dkd")
    for of, grid in (("", "student.tune"), ("scenario small, arm dkd: ", "arms.dkd.tune")):
        message = f"{of}the best lr, 0.4, is the largest of its grid; add larger values to {grid}.lr"
        assert (message in caplog.messages) == warned


def test_the_warning_says_which_end_of_the_grid_is_the_best(caplog, monkeypatch):
    monkeypatch.setattr(log, "propagate", True)
    select_best([Trial(0.1, decay, 0, reached) for decay, reached in ((0.1, 0.9), (0.2, 0.1))])
    assert set(caplog.messages) == {
        "the best weight_decay, 0.1, is the smallest of its grid; add smaller values to student.tune.weight_decay"
    }


def test_the_best_setting_is_written_with_every_trial_and_changes_the_recipe(tmp_path):
    paths = []
    for number, trial in enumerate([Trial(0.1, 5e-4, 0, 0.5), Trial(0.2, 1e-3, 0, 0.6)]):
        paths.append(tmp_path / f"{number}.json")
        write_trial(paths[-1], trial)
    write_best_setting(tmp_path / "choice.json", paths)
    found = json.loads((tmp_path / "choice.json").read_text())
    assert [trial["val_accuracy"] for trial in found["trials"]] == [0.5, 0.6]
    assert with_best_setting(RECIPE, tmp_path / "choice.json") == replace(RECIPE, lr=0.2, weight_decay=1e-3)
    assert with_best_setting(RECIPE, None) is RECIPE


def test_a_trial_without_validation_images_gives_an_error(study, tmp_path):
    plan = tmp_path / "plan.parquet"
    table = pq.read_table(study.plan())
    pq.write_table(table.filter(pc.not_equal(table["split"], "val")), plan)
    with pytest.raises(UserError, match="no validation images to choose by. Give split.val counts"):
        tiny_trial(study, study.data(plan))


def test_a_killed_trial_resumes(study, monkeypatch, tmp_path):
    whole = tiny_trial(study)
    inner, calls = student.objective_of, []

    def dying(*arguments):
        objective = inner(*arguments)

        def wrapped(network, batch):
            calls.append(1)
            if len(calls) == 8:
                raise KeyboardInterrupt
            return objective(network, batch)

        return wrapped

    recipe = replace(RECIPE, steps=10, checkpoint_every=3, lr=0.1, weight_decay=1e-4)
    monkeypatch.setattr(student, "objective_of", dying)
    settings = {"seed": 0, "label": "x", "checkpoints": tmp_path, "threads": 1}
    settings |= {"arm": CrossEntropy(), "recipe": recipe}
    with pytest.raises(KeyboardInterrupt):
        run_trial(study.data(), "", **settings)
    assert (tmp_path / "checkpoint.pt").exists()
    assert run_trial(study.data(), "", **settings) == whole
    assert len(calls) == 8 + 4
    assert run_trial(study.data(), "", **settings) == whole and len(calls) == 8 + 4
