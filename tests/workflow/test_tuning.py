"""Learning rate and weight decay chosen by trials, for a scenario or for one arm."""

import json

import pytest

from .conftest import files_below, wildcards

pytestmark = pytest.mark.slow


def test_tuned_settings_are_chosen_on_validation_and_used_by_every_seed(copied):
    copied.config["student"] |= {"tune": {"lr": [0.05, 0.1], "weight_decay": [0.001]}}
    copied.configure(copied.config)
    copied.run("results/scenarios/tidy.csv")
    choice = json.loads((copied.folder / "results" / "tuning" / "tidy.json").read_text())
    best = max(choice["trials"], key=lambda trial: (trial["val_accuracy"], -trial["lr"]))
    assert [trial["lr"] for trial in choice["trials"]] == [0.05, 0.1] and choice["lr"] == best["lr"]
    for seed in (0, 1):
        metrics = json.loads((copied.folder / f"results/runs/tidy/scratch/seed{seed}/metrics.json").read_text())
        assert (metrics["lr"], metrics["weight_decay"]) == (best["lr"], 0.001)
    copied.config["student"]["tune"]["lr"].append(0.2)
    copied.configure(copied.config)
    jobs = copied.planned("results/scenarios/tidy.csv")
    assert wildcards(jobs, "run_trial") == {"scenario=tidy"}
    made_again = {"run_trial", "select_hyperparameters", "train_student", "evaluate_students", "tabulate_scenario"}
    assert {rule for rule, _ in jobs} == made_again


def test_an_arm_with_a_grid_of_its_own_is_tuned_alone(copied):
    grid = {"lr": [0.02, 0.05], "weight_decay": [0.001]}
    copied.config["student"] |= {"tune": {"lr": [0.1], "weight_decay": [0.005]}}
    copied.config["arms"] = {"scratch": {"method": "ce"}, "kd": {"method": "kd", "tune": grid}}
    copied.configure(copied.config)
    copied.run("results/scenarios/web.csv")
    tuning, runs = copied.folder / "results" / "tuning", copied.folder / "results" / "runs" / "web"
    choice = json.loads((tuning / "web.kd.json").read_text())
    assert [trial["lr"] for trial in choice["trials"]] == [0.02, 0.05]
    for arm, wanted in (("scratch", (0.1, 0.005)), ("kd", (choice["lr"], 0.001))):
        metrics = json.loads((runs / arm / "seed1" / "metrics.json").read_text())
        assert (metrics["lr"], metrics["weight_decay"]) == wanted
    (trial,) = [trial for trial in choice["trials"] if trial["lr"] == choice["lr"]]
    metrics = json.loads((runs / "kd" / "seed0" / "metrics.json").read_text())
    assert trial["val_accuracy"] == metrics["val_accuracy"]  # trial and run are the same training
    grid["lr"].append(0.1)
    copied.configure(copied.config)
    jobs = copied.planned("results/scenarios/web.csv")
    assert wildcards(jobs, "run_arm_trial_kd") == {"scenario=web"}
    assert wildcards(jobs, "train_student") == {"scenario=web, arm=kd"}

    grid["lr"][-1] = 1e15  # diverges, so that the choice stays
    copied.configure(copied.config)
    before = {path: path.read_bytes() for path in files_below(runs)}
    copied.run("results/scenarios/web.csv")
    assert len(json.loads((tuning / "web.kd.json").read_text())["trials"]) == 3
    assert len(before) == 2 * 2 * 5 and all(path.read_bytes() == content for path, content in before.items())
    log = (copied.folder / "results" / "logs" / "train_student" / "web.kd.log").read_text()
    assert log.count("nothing is trained") == 2
    checkpoints = copied.folder / "results" / "checkpoints"
    trained = {"run_trial": 1, "run_arm_trial": 3, "train_student": 4}
    for rule, number in trained.items():  # the table of costs reads usage from here
        assert len(list((checkpoints / rule).glob("web.*/usage.tsv"))) == number
    assert (checkpoints / "train_teacher" / "usage.tsv").exists()
