"""Queries of the rules for the names of a study's files."""

import re
from pathlib import Path

import pytest
import yaml
from mixed_study import STUDY

from distillery.config.queries import cleaning, training_queries
from distillery.config.reading import check_config
from distillery.config.targets import image_files, report_files, training_files

ROOT = Path(__file__).parents[3]


@pytest.fixture
def study():
    return check_config(yaml.safe_load(STUDY))


def test_a_pattern_matches_the_names_and_nothing_else():
    pattern = image_files.pattern_of(["a", "b.c"])
    assert [bool(re.fullmatch(pattern, name)) for name in ("a", "b.c", "bxc", "")] == [True, True, False, False]
    assert not re.search(image_files.pattern_of([]), "") and not re.search(image_files.pattern_of({}), "a")


def test_files_of_sources(study):
    assert image_files.pools(study, "mine", "tar") == ["resources/pools/mine/dog.tar"]
    assert image_files.pools(study, "sd", "jsonl") == ["resources/pools/sd/cat.jsonl", "resources/pools/sd/dog.jsonl"]
    assert image_files.curated(["a", "b"], "npy") == ["results/curated/a.npy", "results/curated/b.npy"]


def test_shares_of_a_source_that_several_jobs_generate(study):
    assert image_files.shares_of(study, "sd") == [f"resources/pools/sd/shares/{share}-of-3.jsonl" for share in range(3)]
    assert image_files.shares_of(study, "varied") == []


def test_files_of_a_model_that_is_a_folder(study, tmp_path):
    assert image_files.model_files(study, "sd") == []
    (tmp_path / "unet").mkdir()
    for name in ("unet/weights", "index.json"):
        (tmp_path / name).touch()
    study["sources"]["sd"]["model"] = str(tmp_path)
    assert image_files.model_files(study, "sd") == [str(tmp_path / "index.json"), str(tmp_path / "unet" / "weights")]


def test_what_splits_and_plans_depend_on(study):
    assert image_files.leakage_to_drop(study) == {} and cleaning.audits_of(study, "two") == []
    study["split"]["leakage"], study["scenarios"]["two"]["clean"] = "drop", True
    assert image_files.leakage_to_drop(study) == {"leakage": "results/leakage.parquet"}
    assert cleaning.audits_of(study, "two") == [f"results/audit/{name}.parquet" for name in ("sd", "mine", "google")]
    assert cleaning.audits_of(study, "two", own_test=True)[1] == "results/audit/mine.own_test.parquet"
    assert cleaning.kinds_trained_on(study, "two") == []
    assert cleaning.cleaned_sources(study) == [name for name in study["sources"] if name in ("sd", "mine", "google")]
    study["scenarios"]["two"]["clean"] = {"labels": False, "kinds": ["photo"]}
    assert cleaning.kinds_trained_on(study, "two") == ["photo"] and cleaning.cleaned_sources(study) == []
    assert image_files.plans(study) == ["results/plans/one.parquet", "results/plans/two.parquet"]


def test_folders_of_the_teacher(study):
    assert image_files.teacher_folders(study) == []
    study["teacher"]["data"] |= {"kind": "folder", "path": "a", "test_path": "b"}
    assert image_files.teacher_folders(study) == ["a", "b"]


def test_trials(study):
    grid = study["arms"]["kd"]["tune"]
    assert training_files.trials_of("one.kd", grid) == [
        f"results/tuning/one.kd/lr0.3_decay{decay}_seed{seed}.json" for decay in ("0", "0.01") for seed in (0, 1)
    ]
    names = training_files.names_of_trials(study)
    assert names[:2] == ["one.lr0.1_decay0.001_seed0", "one.lr0.2_decay0.001_seed0"]
    assert len(names) == len(set(names)) == 2 + 4 + 4 and names[-1] == "two.kd.lr0.3_decay0.01_seed1"


def test_chosen_settings(study):
    assert training_files.chosen_settings(study, "one", "scratch") == "results/tuning/one.json"
    assert training_files.chosen_settings(study, "two", "kd") == "results/tuning/two.kd.json"
    assert training_files.chosen_settings(study, "one", "published_kd") is None


def test_runs(study):
    study["seeds"] = 2
    assert training_files.runs_of(study, "two") == [f"results/runs/two/kd/seed{seed}/metrics.json" for seed in (0, 1)]
    found = training_files.runs_of_all(study, "history.csv")
    assert len(found) == 3 * 2 + 2 and found[2] == "results/runs/one/kd/seed0/history.csv"


def test_files_of_the_report(study):
    assert report_files.tables("a", "b") == ["results/tables/a.csv", "results/tables/b.csv"]
    assert report_files.figures(["a", "b"], "png", "svg")[:3] == [
        f"results/figures/{name}" for name in ("a.png", "a.svg", "b.png")
    ]
    found = report_files.sheets(study)
    assert len(found) == 4 * 4 and found[:2] == [f"results/figures/contact_{name}.png" for name in ("google", "bing")]
    assert report_files.sheets_of_teacher(study) == []
    study["teacher"]["data"] |= {"kind": "sources", "train_sources": ["extra"], "test_sources": []}
    assert report_files.sheets_of_teacher(study) == [
        f"results/figures/{kind}_extra.png" for kind in ("contact", "duplicates", "kinds")
    ]


def test_what_a_sheet_is_drawn_from(study):
    found = {kind: report_files.sheet_inputs(study, kind, "mine") for kind in report_files.SHEETS}
    assert found["contact"] == {"pixels": "results/curated/mine.npy", "table": "results/curated/mine.parquet"}
    assert found["label_issues"] == {
        "pixels": "results/curated/mine.npy", "table": "results/audit/mine.parquet",
        "own_test": "results/audit/mine.own_test.parquet",
    }  # fmt: skip
    assert found["duplicates"] == {
        "shards": ["resources/pools/mine/dog.tar"], "records": ["resources/pools/mine/dog.jsonl"],
        "table": "results/curated/mine.parquet",
    }  # fmt: skip


def test_figures_are_drawn_from_tables_of_the_page():
    figures = report_files.read_figures(ROOT / "workflow" / "report" / "figures.yaml")
    assert {table for about in figures.values() for table in about["tables"]} <= set(report_files.PAGE_TABLES)
    captions = {path.stem.removeprefix("table_") for path in (ROOT / "workflow" / "report").glob("table_*.rst")}
    others = {"acceptance"}  # only studies that select generated images have it
    assert captions - others == set(report_files.PAGE_TABLES) and len(report_files.PAGE_TABLES) == len(
        captions - others
    )
    captions = {path.stem.removeprefix("figure_") for path in (ROOT / "workflow" / "report").glob("figure_*.rst")}
    assert captions == set(figures)


def test_the_listing_of_a_folder_is_that_of_its_classes(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"0")
    before = image_files.class_listing(tmp_path, ["cat"])
    (tmp_path / "dog" / "1.png").write_bytes(b"1")
    assert image_files.class_listing(tmp_path, ["cat"]) == before
    (tmp_path / "cat.tar").write_bytes(b"1")
    assert image_files.class_listing(tmp_path, ["cat"]) != before


class Wildcards(dict):
    __getattr__ = dict.__getitem__


def test_runs_take_teachers_and_draws_in_turns_and_the_first_keep_their_paths(study):
    study["scenarios"]["two"]["clean"] = {"labels": False, "kinds": ["photo"]}
    assert cleaning.kinds_trained_on(study, "two") == ["photo"] and cleaning.cleaned_sources(study) == []
    assert image_files.plans(study) == [f"results/plans/{name}.parquet" for name in study["scenarios"]]
    assert training_files.predictions_of_teachers(study) == ["results/teacher/predictions.parquet"]
    arm = next(arm for arm in study["arms"] if training_queries.uses_teacher(study, arm))
    assert training_files.teachers_of_job(study, arm, Wildcards()) == ["results/teacher/model.safetensors"]
    study["seeds"], study["teacher"]["seeds"], study["split"]["draws"] = 5, 2, 3
    plans = [training_files.plans_of_job(study, "one", Wildcards(seed=str(seed))) for seed in range(5)]
    assert plans == [[f"results/plans/{draw}one.parquet"] for draw in ("", "draw1/", "draw2/", "", "draw1/")]
    assert training_files.plans_of_job(study, "one", Wildcards()) == [plan for (plan,) in plans[:3]]
    teachers = [f"results/teacher/{part}model.safetensors" for part in ("", "seed1/")]
    assert training_files.teachers_of_job(study, arm, Wildcards()) == teachers
    assert training_files.teachers_of_job(study, arm, Wildcards(seed="3")) == teachers[1:]
    assert training_files.predictions_of_teachers(study)[1] == "results/teacher/seed1/predictions.parquet"
    assert len(image_files.plans(study)) == 3 * len(study["scenarios"])
    study["seeds"] = 2  # no third draw is needed
    assert len(image_files.plans(study)) == 2 * len(study["scenarios"])
    study["arms"][arm] = {"method": "ce"}
    assert training_files.teachers_of_job(study, arm, Wildcards()) == []
