"""The jobs of the published study, and how a mistake in a configuration is reported on the command line."""

import copy
import subprocess

import pytest
from running import command, environment

from .conftest import ROOT, STUDY, Study


@pytest.fixture
def published(tmp_path):
    study = Study(tmp_path, {})
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    return study


def test_the_published_study_s_jobs(published):
    jobs = published.counted("results/summary.png")
    # others: scenarios with varied prompts, and of sources that need no account
    crawls, scenarios, others = 4 * 10, 13, 4 + 3
    others += 1  # with images that the teacher selects, which are split after the others
    generated = {f"generate_{source}": 1 for source in ("sd2", "sd3", "sd2_varied", "sd3_varied", "sd2_kept")}
    expected = generated | {"crawl": crawls, "curate": 9, "split": 1, "plan_scenario": scenarios + others}
    expected |= {"split_derived": 1, "find_near_duplicates_of_derived": 1}
    expected |= {"prepare_teacher_data": 1, "train_teacher": 1, "evaluate_teacher": 1, "tabulate_study": 1}
    # eight seeds, each with its own teacher and draw
    expected |= {"train_another_teacher": 7, "plan_another_draw": 7 * (scenarios + others)}
    expected |= {
        "find_near_duplicates": 1,
        "plot_summary": 1,
        "check_search": 4,
        "time_training": 1,
        "check_model": 5,
        "show_preflight": 1,
    }
    expected |= {"run_trial": scenarios + others, "select_hyperparameters": scenarios + others}
    expected |= {"run_arm_trial_kd_tuned": scenarios, "select_arm_hyperparameters": scenarios}
    expected |= {"train_student": 5 * scenarios + 2 * others, "tabulate_scenario": scenarios + others}
    expected["evaluate_students"] = expected["train_student"]
    assert jobs == expected
    alone = published.counted("--config", "seeds_per_job=1", "--", "results/summary.png")
    trained = {"run_trial": 6 * (scenarios + others), "run_arm_trial_kd_tuned": 6 * scenarios}
    assert alone == expected | trained | {"train_student": expected["train_student"] * 8}


TABLES = ("tabulate_study", "tabulate_breakdowns", "tabulate_published")


def test_the_jobs_of_the_published_study_s_page(published):
    jobs = published.counted("results/report.html")
    assert jobs["plot"] == jobs["write_page"] == 1
    assert all(jobs[rule] == 1 for rule in TABLES)
    figure = published.counted("results/figures/curves.svg")  # one job draws all figures
    assert figure["plot"] == 1 and not figure - jobs
    others = {"plot_summary", "tabulate_acceptance", "tabulate_costs", "show_preflight", "time_training"}
    assert set(jobs - figure) == {"write_page"} | others


def test_the_jobs_of_one_scenario(published):
    jobs = published.counted("results/scenarios/small_google.csv")
    assert jobs["train_student"] == jobs["evaluate_students"] == 5 and jobs["tabulate_scenario"] == 1
    assert jobs["run_trial"] == jobs["run_arm_trial_kd_tuned"] == 1
    assert jobs["select_hyperparameters"] == jobs["select_arm_hyperparameters"] == 1
    # all scenarios share test images, so every source except derived ones is split before any run
    assert jobs["crawl"] == 40 and jobs["curate"] == 8
    assert not {"generate_sd2_kept", "split_derived"} & set(jobs)


def mistakes(done):
    """The output, without Snakemake's line about profiles."""
    return [line for line in (done.stdout + done.stderr).splitlines() if "workflow specific profile" not in line]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scenarios": {"one": {"train": {"yahoo": 9}}}}, "config: scenarios.one.train: unknown source yahoo"),
        ({"seeds": "six"}, "config: seeds: 'six' is not of type integer"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, change, message):
    (tmp_path / "images").mkdir()
    study = Study(tmp_path, copy.deepcopy(STUDY) | change)
    done = study.snakemake("--dry-run")
    assert done.returncode != 0 and [line.startswith(message) for line in mistakes(done)] == [True]


def test_a_key_given_twice_is_one_line(tmp_path):
    (tmp_path / "images").mkdir()
    study = Study(tmp_path, copy.deepcopy(STUDY))
    with open(tmp_path / "config.yaml", "a") as file:
        file.write("seeds: 3\n")
    done = study.snakemake("--dry-run")
    assert done.returncode != 0 and len(mistakes(done)) == 1 and "the name seeds is given twice" in mistakes(done)[0]


@pytest.mark.parametrize("slip", ["title: a: b\n", "title: [a\n", "\ttitle: a\n", "- title\n", ""])
def test_invalid_yaml_is_one_line(tmp_path, slip):
    (tmp_path / "config.yaml").write_text(slip)
    done = subprocess.run(command(tmp_path, "--dry-run"), cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode != 0 and [line.startswith("config: config.yaml") for line in mistakes(done)] == [True]
