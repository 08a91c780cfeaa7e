"""Sources that refused: a study without their images goes on, and says everywhere what is not run and why."""

import copy
import json

import pandas as pd
import pytest

from distillery.storage.verdicts import Verdict, now
from distillery_demo.web import REFUSING

from .conftest import CLASSES, STUDY, Study, rows, write_own_images

pytestmark = pytest.mark.slow
CAPTCHA, GATED = "bing refused (captcha)", "sd2 refused (gated)"


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> Study:
    """A finished study of which Bing and the hub of the diffusion model refused every class."""
    folder = tmp_path_factory.mktemp("refused")
    write_own_images(folder)
    # a look at the hub, which these tests cannot reach
    gated = Verdict("sd2", "refused", "gated", "Accept the license of source sd2's model.", now())
    gated.write(folder / "resources" / "preflight" / "sd2.json")
    study = Study(folder, copy.deepcopy(STUDY) | {"unavailable": "skip"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REFUSING, "bing: captcha")
        study.run("results/summary.png", "all")
    return study


def test_every_surface_says_what_is_not_run_and_why(refused):
    results = refused.folder / "results"
    assert json.loads((results / "refusals.json").read_text()) == {
        "bing": dict.fromkeys(CLASSES, "captcha"),
        "sd2": dict.fromkeys(CLASSES, "gated"),
    }
    summary = rows(results / "tables" / "summary.csv")
    assert {row["scenario"]: row["not_run"] for row in summary} == {
        "web": CAPTCHA, "color": "", "rotation": "", "sd2": GATED, "tidy": "",
    }  # fmt: skip
    for row in summary:
        assert (row["mean_percent"] == "") == (row["not_run"] != "")
        assert row["lacking"] == "bing (captcha) in the common test"
    counts = {(row["source"], row["class"]): row for row in rows(results / "tables" / "counts.csv")}
    assert counts["bing", "frog"]["refused"] == "captcha" and counts["bing", "frog"]["candidates"] == "0"
    assert counts["google", "frog"]["refused"] == "" and counts["google", "frog"]["kept"] != "0"
    for table in ("runs", "ranking", "per_class", "curves", "test_sources"):
        assert {row["scenario"] for row in rows(results / "tables" / f"{table}.csv")} == {"color", "rotation", "tidy"}
    page = (results / "report.html").read_text()
    for text in (
        f"not run: {CAPTCHA}",
        f"not run: {GATED}",
        f"Not run: 2 of 5 scenarios, because {CAPTCHA}, {GATED}.",
        "frog (gated)",
    ):
        assert text in page
    for file in ("summary.md", "summary.tex"):
        assert f"not run: {CAPTCHA}" in (results / "tables" / file).read_text()


def test_the_common_test_has_the_images_of_the_sources_that_exist(refused):
    splits = pd.read_parquet(refused.folder / "results" / "splits.parquet")
    assert set(splits.loc[splits["split"] == "test", "source"]) == {"google", "mine"}  # not bing


def test_a_run_of_a_scenario_that_is_not_run_holds_the_reason_and_no_results(refused):
    run = refused.folder / "results" / "runs" / "web" / "kd" / "seed1"
    assert (run / "model.safetensors").read_bytes() == b"" and not rows(run / "history.csv")
    assert json.loads((run / "metrics.json").read_text()) == {
        "scenario": "web", "arm": "kd", "seed": 1, "not_run": CAPTCHA,
    }  # fmt: skip
    assert pd.read_parquet(run / "predictions.parquet").empty


def test_nothing_is_left_to_do_after_the_run(refused):
    assert not refused.planned()


def test_a_student_that_is_not_run_cannot_be_exported(refused):
    done = refused.snakemake("results/models/web.kd.onnx")
    assert done.returncode == 1 and f"its scenario is not run: {CAPTCHA}" in done.stderr
