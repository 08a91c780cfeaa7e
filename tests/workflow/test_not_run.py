"""Sources that refused: a study without their images goes on, and says everywhere what is not run and why."""

import copy
import json

import pandas as pd
import pytest

from distillery.storage.pools import write_pool
from distillery.storage.refusals import refused_record

from .conftest import CLASSES, STUDY, Study, draw, rows

pytestmark = pytest.mark.slow
CAPTCHA, GATED = "bing refused (captcha)", "sd2 refused (gated)"


def refuse(folder, source, label, reason):
    """Write the pool that a source leaves that refused a class."""
    pool = folder / "resources" / "pools" / source / label
    pool.parent.mkdir(parents=True, exist_ok=True)
    record = refused_record(source, label, {"sd2": "diffusion"}.get(source, source), reason)
    write_pool(pool.with_suffix(".tar"), pool.with_suffix(".jsonl"), [(record, None)])


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> Study:
    """A finished study of which Bing and the hub of the diffusion model refused every class."""
    folder = tmp_path_factory.mktemp("refused")
    for name in ("frog", "ship"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            draw(name, "teacher", number, 48).save(folder / "images" / name / f"{number}.png")
    for label in CLASSES:
        refuse(folder, "bing", label, "captcha")
        refuse(folder, "sd2", label, "gated")
    study = Study(folder, copy.deepcopy(STUDY))
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
        f"Not run: 2 of 5 scenarios, because {CAPTCHA}; {GATED}.",
        "frog (gated)",
    ):
        assert text in page
    for file in ("summary.md", "summary.tex"):
        assert f"not run: {CAPTCHA}" in (results / "tables" / file).read_text()


def test_the_common_test_has_the_images_of_the_sources_that_exist(refused):
    plan = pd.read_parquet(refused.folder / "results" / "plans" / "color.parquet")
    assert set(plan.loc[plan["split"] == "test", "source"]) == {"google"}


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
