"""Costs are those of the study's own jobs, with all parts of an interrupted training."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from distillery.analysis.study_tables import costs
from distillery.config.targets.training_files import trial_rules
from distillery.jobs import UserError

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
BENCHMARK = HEAD + "{}\t0:00:01\t{}\t1\t1\t1\t0\t0\t9\t{}\n"


@pytest.fixture
def measured(tmp_path):
    for name, numbers in {
        "split.tsv": (2, 100, 1), "crawl/google.cat.tsv": (10, 50, 3), "crawl/google.dog.tsv": (30, 70, "NA"),
        "crawl/gone.cat.tsv": (99, 99, 99), "train_student/a.kd.seed0.tsv": (4, 800, 4), "compare.tsv": (9, 9, 9),
        "train_student/a.kd.seed1.tsv": (6, 900, 5), "train_student/a.old.seed0.tsv": (99, 99, 99),
        "plan_scenario/google.tsv": (7, 8, 9), "select_hyperparameters/a.tsv": (1, 1, 1),
        "run_trial/a.lr0.1_decay0_seed0.tsv": (3, 2, 1), "select_arm_hyperparameters/a.kd.tsv": (1, 1, 1),
        "run_arm_trial/a.kd.lr0.1_decay0_seed0.tsv": (3, 2, 1), "select_arm_hyperparameters/a.old.tsv": (99, 99, 99),
        "run_arm_trial/a.kd.lr0.2_decay0_seed0.tsv": (4, 2, 1),
        "run_arm_trial/a.kd.lr0.9_decay0_seed0.tsv": (99, 99, 99),  # of an earlier grid
        "run_trial/a.lr0.9_decay0_seed0.tsv": (99, 99, 99),
    }.items():  # fmt: skip
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BENCHMARK.format(*numbers))
    runs = {"scenario": "a", "arm": ["kd", "kd", "scratch"], "seed": [0, 1, 0], "steps": 100, "batch": 5}
    pd.DataFrame(runs).to_csv(tmp_path / "runs.csv", index=False)
    counts = {"source": "google", "class": ["cat", "dog"], "candidates": 60, "retrieved": [55, 45], "kept": 40}
    pd.DataFrame(counts).to_csv(tmp_path / "counts.csv", index=False)
    return tmp_path


def tabulated(folder, sources=None):
    paths = [folder / name for name in ("benchmarks", "checkpoints", "runs.csv", "counts.csv", "costs.csv")]
    trials = ["a.lr0.1_decay0_seed0", "a.kd.lr0.1_decay0_seed0", "a.kd.lr0.2_decay0_seed0"]
    costs.tabulate_costs(*paths, sources=sources or {"google": ["cat", "dog"]}, trials=trials)
    return pd.read_csv(paths[-1]).set_index("rule")


def test_every_rule_with_costs_writes_benchmarks():
    rules = Path(__file__).parents[3].joinpath("workflow", "rules").glob("*.smk")
    measured = set(re.findall(r"results/benchmarks/(\w+)", "\n".join(path.read_text() for path in rules)))
    grid = {"lr": [0.1], "weight_decay": [0.0], "seeds": 1}
    arms = {"kd": {"method": "kd", "tune": grid}}
    measured |= {rule.folder for rule in trial_rules({"seeds_per_job": 1, "student": {"tune": grid}, "arms": arms})}
    assert set(costs.STAGES) <= measured


def test_costs_are_those_of_the_studys_own_jobs(measured):
    found = tabulated(measured)
    own = ["run_arm_trial", "select_arm_hyperparameters"]
    assert list(found.index) == [
        "crawl",
        "split",
        "run_trial",
        "select_hyperparameters",
        *own,
        "train_student",
    ]  # google is a source
    assert found.loc[own, "arm"].tolist() == ["kd", "kd"] and found.loc[own, "seconds"].tolist() == [7, 1]
    assert found.loc["crawl", ["jobs", "seconds", "cpu_seconds", "peak_memory_mb", "images"]].tolist() == [
        2,
        40,
        3,
        70,
        100,
    ]
    student = found.loc["train_student"]
    assert (student["arm"], student["jobs"], student["seconds_each"]) == ("kd", 2, 5) and student[
        "images_per_second"
    ] == 100
    assert found.loc["split", "seconds"] == 2 and np.isnan(found.loc["split", "images"])


def test_trainings_count_as_they_measured_themselves(measured):
    for name, numbers in {
        "train_student/a.kd.seed0": (40, 60, 50), "train_student/a.kd.seed1": (10, 6, 20), "train_teacher": (7, 1, 1),
        "run_trial/a.lr0.1_decay0_seed0": (30, 2, 20), "train_student/a.old.seed0": (99, 99, 99),
    }.items():  # fmt: skip
        path = measured / "checkpoints" / name / "usage.tsv"
        path.parent.mkdir(parents=True)
        path.write_text("s\tcpu_time\tmax_rss\n" + "\t".join(map(str, numbers)) + "\n")
    for path in (measured / "benchmarks" / "train_student").glob("a.kd.*"):
        path.unlink()
    # the benchmark of the process that trained both; both recorded when they began and ended
    (measured / "benchmarks" / "train_student" / "a.kd.tsv").write_text(BENCHMARK.format(51, 900, 70))
    found = tabulated(measured)
    student = found.loc["train_student", ["jobs", "seconds", "cpu_seconds", "peak_memory_mb"]]
    assert student.tolist() == [2, 40 + 10, 60 + 6, 50]
    assert found.loc["run_trial", "seconds"] == 30 and found.loc["run_arm_trial", "seconds"] == 7
    assert found.loc["train_teacher", "seconds"] == 7
    (measured / "checkpoints" / "train_student" / "a.kd.seed0" / "usage.tsv").write_text("s\nx\n")
    with pytest.raises(UserError, match=r"a.kd.seed0/usage.tsv is damaged"):
        tabulated(measured)


def test_a_source_named_by_a_number_has_its_images(measured):
    counts = (measured / "counts.csv").read_text()
    (measured / "counts.csv").write_text(counts.replace("google,", "800,"))
    (measured / "benchmarks" / "generate").mkdir()
    (measured / "benchmarks" / "generate" / "800.tsv").write_text(BENCHMARK.format(5, 6, 7))
    found = tabulated(measured, {"800": ["cat", "dog"]})
    assert found.loc["generate", ["seconds", "images"]].tolist() == [5, 100]


def test_a_training_whose_time_is_unknown_counts_no_images(measured):
    (measured / "benchmarks" / "train_student" / "a.kd.seed1.tsv").unlink()
    student = tabulated(measured).loc["train_student"]
    assert student[["jobs", "seconds", "images", "images_per_second"]].tolist() == [1, 4, 500, 125]


def test_jobs_that_generate_shares_count_as_generation_of_their_source(measured):
    for name, seconds in {
        "generate/google": 20,
        "generate_share/google.0": 300,
        "generate_share/google.1": 180,
    }.items():
        path = measured / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(BENCHMARK.format(seconds, 10 * seconds, seconds))
    row = tabulated(measured).loc["generate"]
    assert row[["jobs", "seconds", "peak_memory_mb", "images_per_second"]].tolist() == [3, 500, 3000, 0.2]


def test_sources_of_the_teacher_alone_have_costs(measured):
    path = measured / "benchmarks" / "crawl" / "trained.cat.tsv"
    path.write_text(BENCHMARK.format(60, 70, 8))
    found = tabulated(measured, {"google": ["cat", "dog"], "trained": ["cat"]}).loc["crawl"].set_index("source")
    assert found["seconds"].to_dict() == {"google": 40, "trained": 60} and np.isnan(found.loc["trained", "images"])


def test_without_benchmarks_the_table_is_empty_and_a_damaged_one_is_named(measured):
    (measured / "benchmarks" / "split.tsv").write_text("s\n1\n")
    with pytest.raises(UserError, match="split.tsv is damaged"):
        tabulated(measured)
    (measured / "benchmarks").rename(measured / "other_test_sets")
    assert tabulated(measured).empty
