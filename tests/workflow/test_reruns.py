"""Which jobs an edit reruns, and which not."""

import pytest

from distillery_demo.drawing import draw

from .conftest import wildcards

pytestmark = pytest.mark.slow

REPORTS = {"tabulate_study", "tabulate_breakdowns", "tabulate_costs", "tabulate_published"}
REPORTS |= {"plot", "plot_summary", "write_page", "all"}
RETRAINS = REPORTS | {"train_student", "evaluate_students", "tabulate_scenario"}
REPLANS = RETRAINS | {"plan_scenario", "tabulate_attribution", "tabulate_data_quality"}


def test_touching_nothing_runs_nothing(finished):
    done = finished.snakemake("--dry-run")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr
    assert finished.planned() == []


def test_how_often_checkpoints_are_written_retrains_nothing(copied):
    for part in ("teacher", "student"):
        copied.config[part]["checkpoint_every"] = 3
    copied.configure(copied.config)
    assert copied.planned() == []


def test_a_changed_crawl_policy_retrieves_nothing_again(copied):
    copied.config["contact"] = "me@example.org"
    limits = {"connections_per_host": 1, "max_store_bytes": 10**9, "min_free_bytes": 10**6}
    copied.config["sources"]["google"].update(limits)
    copied.configure(copied.config)
    assert {rule for rule, _ in copied.planned()} == {"write_page", "all"}  # the page shows the sources' settings


def test_an_unused_diffusion_source_runs_nothing(copied):
    copied.config["sources"]["more"] = dict(copied.config["sources"]["sd2"])
    copied.configure(copied.config)
    assert copied.planned() == []


def test_one_class_s_queries_crawl_that_class_alone(copied):
    copied.config["classes"]["frog"]["queries"].append("green frog")
    copied.configure(copied.config)
    jobs = copied.planned()
    assert wildcards(jobs, "crawl") == {"source=google, label=frog", "source=bing, label=frog"}
    assert not wildcards(jobs, "train_teacher") and not [rule for rule, _ in jobs if rule.startswith("generate")]
    assert wildcards(jobs, "curate") == {"source=google", "source=bing"}


def test_one_scenario_retrains_alone(copied):
    copied.config["scenarios"]["color"]["train"] = {"google": 6}
    copied.configure(copied.config)
    jobs = copied.planned()
    assert {rule for rule, _ in jobs} == REPLANS
    assert wildcards(jobs, "plan_scenario") == wildcards(jobs, "tabulate_scenario") == {"scenario=color"}
    arms = [f"scenario=color, arm={arm}" for arm in ("scratch", "kd")]
    assert wildcards(jobs, "train_student") == set(arms)


def test_a_seed_more_trains_only_that_seed(copied):
    """With one job per seed, the plan shows this; if seeds share a job, it trains only the new one."""
    copied.config |= {"seeds": 3, "seeds_per_job": 1}
    copied.configure(copied.config)
    jobs = copied.planned()
    assert {rule for rule, _ in jobs} == RETRAINS | {"plan_study"}
    trained = [text for rule, text in jobs if rule == "train_student"]
    assert len(trained) == 8 and all(text.endswith("seed=2") for text in trained)


def test_an_arm_s_settings_retrain_that_arm_alone(copied):
    copied.config["arms"] = {"scratch": {"method": "ce"}, "kd": {"method": "kd", "temperature": 2.0}}
    copied.configure(copied.config)
    trained = wildcards(copied.planned(), "train_student")
    assert len(trained) == 4 and all("arm=kd" in text for text in trained)


def test_a_teacher_s_settings_retrain_the_arms_that_use_it(copied):
    copied.config["teacher"]["steps"] = 21
    copied.configure(copied.config)
    trained = wildcards(copied.planned(), "train_student")
    # also the scenario that leaves out images whose labels the teacher flags
    trained.remove("scenario=tidy, arm=scratch")
    assert len(trained) == 4 and all("arm=kd" in text for text in trained)


def test_a_changed_title_draws_the_figures_again_and_no_more(copied):
    copied.config["title"] = "Another title"
    copied.configure(copied.config)
    jobs = copied.planned()
    assert {rule for rule, _ in jobs} == {"plot", "plot_summary", "draw_sheet", "write_page", "all"}
    assert [rule for rule, _ in jobs].count("plot") == 1  # with all figures of tables
    sheets = wildcards(jobs, "draw_sheet")
    kinds = {text.split(",")[0].removeprefix("kind=") for text in sheets}
    assert kinds == {"contact", "label_issues", "duplicates", "kinds"}


def test_one_scenario_by_its_target(copied):
    (copied.folder / "results" / "scenarios" / "color.csv").unlink()
    for run in (copied.folder / "results" / "runs").rglob("metrics.json"):
        run.unlink()
    jobs = copied.planned("results/scenarios/color.csv")
    assert {rule for rule, _ in jobs} == {"evaluate_students", "tabulate_scenario"}
    assert {text.split(",")[0] for rule, text in jobs if rule == "evaluate_students"} == {"scenario=color"}
    jobs = copied.planned("results/runs/web/kd/seed0/metrics.json")
    assert jobs == [("evaluate_students", "scenario=web, arm=kd")]


def test_added_and_removed_images_of_a_folder_import_their_class_again(copied):
    copied.config["split"]["shortfall"] = "shrink"  # the images of a folder are counted before any job
    copied.configure(copied.config)
    folder = copied.folder / "images" / "ship"
    draw("ship", "teacher", 99, 48).save(folder / "99.png")  # this does not change the modification time of `images`
    assert wildcards(copied.planned(), "import_folder") == {"source=mine, label=ship"}
    (folder / "99.png").unlink()
    assert wildcards(copied.planned(), "import_folder") == set()
    (copied.folder / "images" / "frog" / "0.png").unlink()
    assert wildcards(copied.planned(), "import_folder") == {"source=mine, label=frog"}


def test_opening_a_folder_imports_nothing(copied):
    for place in ("", "frog"):
        (copied.folder / "images" / place / ".DS_Store").touch()  # as macOS's Finder does
    assert copied.planned() == []
