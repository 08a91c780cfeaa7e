"""Seeds and trials that share a job have the same bits as alone, and finished ones are not trained again."""

import shutil

import pytest
from running import Run, unlock

from .conftest import files_below, wildcards

pytestmark = pytest.mark.slow
SKIPPED = "the same training was done before; nothing is trained"
TIDY = "results/scenarios/tidy.csv"


def files_of(study, scenario):
    """The contents of a scenario's runs, trials and plan, by path."""
    results = study.folder / "results"
    paths = [*files_below(results / "runs" / scenario), *(results / "tuning").rglob("*.json")]
    return {
        path.relative_to(results): path.read_bytes() for path in (*paths, results / "plans" / f"{scenario}.parquet")
    }


def logs_of(study, rule, job):
    return [path.read_text() for path in sorted((study.folder / "results" / "logs" / rule).glob(f"{job}*.log"))]


def skipped(study, rule, job):
    """The number of a job's trainings that had finished before."""
    return sum(text.count(SKIPPED) for text in logs_of(study, rule, job))


def forget(study, *folders):
    """Delete folders of results, and the table made from them."""
    for folder in folders:
        shutil.rmtree(study.folder / "results" / folder)
    (study.folder / TIDY).unlink()


def test_a_job_for_each_seed_and_trial_gives_the_same_bits(copied):
    copied.config["student"] |= {"tune": {"lr": [0.05, 0.1], "weight_decay": [0.001]}}
    copied.configure(copied.config)
    copied.run(TIDY)
    together = files_of(copied, "tidy")
    assert len(together) == 2 * 5 + 3 + 1
    assert len(logs_of(copied, "run_trial", "tidy")) == len(logs_of(copied, "train_student", "tidy")) == 1

    copied.config["seeds_per_job"] = 1
    copied.configure(copied.config)
    assert copied.planned(TIDY) == []
    forget(copied, "runs/tidy", "tuning", "checkpoints", "logs/run_trial", "logs/train_student")
    jobs = copied.counted(TIDY)
    assert jobs == {
        "run_trial": 2, "select_hyperparameters": 1, "train_student": 2, "evaluate_students": 1, "tabulate_scenario": 1,
    }  # fmt: skip
    copied.run(TIDY)
    assert files_of(copied, "tidy") == together
    assert len(logs_of(copied, "run_trial", "tidy")) == len(logs_of(copied, "train_student", "tidy")) == 2


def test_an_added_seed_and_an_added_trial_are_trained_alone(copied):
    copied.config["student"] |= {"tune": {"lr": [0.05], "weight_decay": [0.001]}}
    copied.configure(copied.config)
    copied.run(TIDY)
    before = files_of(copied, "tidy")
    copied.config["seeds"] = 3
    copied.config["student"]["tune"]["lr"].append(1e15)  # diverges, so that the choice stays
    copied.configure(copied.config)
    assert wildcards(copied.planned(TIDY), "train_student") == {"scenario=tidy, arm=scratch"}
    copied.run(TIDY)
    after = files_of(copied, "tidy")
    changed = {str(path) for path in before if before[path] != after[path]}
    assert changed == {"tuning/tidy.json"}  # which lists the trials
    assert {str(path) for path in after.keys() - before.keys()} == {
        "tuning/tidy/lr1000000000000000.0_decay0.001_seed0.json",
        *(f"runs/tidy/scratch/seed2/{name}.{kind}" for name, kind in (("model", "safetensors"), ("history", "csv"))),
        *(f"runs/tidy/scratch/seed2/{name}" for name in ("training.json", "predictions.parquet", "metrics.json")),
    }
    assert skipped(copied, "train_student", "tidy") == 2 and skipped(copied, "run_trial", "tidy") == 1


def test_a_killed_job_goes_on_with_the_seed_that_had_not_finished(copied):
    copied.config["student"] |= {"steps": 800, "checkpoint_every": 50}
    copied.configure(copied.config)
    kept = copied.folder / "results" / "checkpoints" / "train_student"
    for path in kept.glob("tidy.*/finished.json"):
        path.unlink()
    run = Run(copied.folder, TIDY)
    begun = kept / "tidy.scratch.seed1" / "checkpoint.pt"
    run.wait_until(lambda _: begun.exists(), "a checkpoint of the second seed")
    run.kill()
    unlock(copied.folder)
    copied.run(TIDY)
    (log,) = logs_of(copied, "train_student", "tidy")
    assert log.count(SKIPPED) == 1 and "tidy, scratch, seed 1: resumes after step" in log
    interrupted = files_of(copied, "tidy")
    forget(copied, "runs/tidy", "checkpoints")
    copied.run(TIDY)
    assert files_of(copied, "tidy") == interrupted and skipped(copied, "train_student", "tidy") == 0


def test_a_common_test_that_grows_trains_nothing_again(copied):
    before, plans = files_of(copied, "web"), [f"results/plans/{name}.parquet" for name in copied.config["scenarios"]]
    copied.config["split"]["common"].append("mine")
    copied.configure(copied.config)
    copied.run(*plans)
    # the plans have the same bytes, so that Snakemake plans no training
    assert {rule for rule, _ in copied.planned("results/scenarios/web.csv")} == {
        "evaluate_students",
        "tabulate_scenario",
    }
    copied.run("results/scenarios/web.csv")
    after = files_of(copied, "web")
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed == {"predictions.parquet", "metrics.json"}
    # if Snakemake plans trainings because plans may change in the same run, finished ones are restored
    copied.run("--forcerun", "train_student", "results/scenarios/web.csv")
    assert files_of(copied, "web") == after and skipped(copied, "train_student", "web") == 2 * 2
