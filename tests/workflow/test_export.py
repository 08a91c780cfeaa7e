"""A student exported from a finished study."""

import json
import os
import subprocess
import sys

import pytest
from running import ROOT, environment

from .conftest import CLASSES, rows

pytestmark = pytest.mark.slow


def test_an_exported_student_classifies_files(copied):
    jobs = copied.planned("results/models/web.kd.onnx")
    assert jobs == [("export_student", "scenario=web, arm=kd")]
    copied.run("results/models/web.kd.onnx")
    model = copied.folder / "results" / "models" / "web.kd.onnx"

    path = os.pathsep.join([str(ROOT / "workflow" / "scripts"), os.environ.get("PYTHONPATH", "")])
    start = [sys.executable, "-m", "distillery.deployment.classify", str(model)]
    table = copied.folder / "predictions.csv"
    done = subprocess.run(
        [*start, str(copied.folder / "images"), "--csv", str(table)],
        env=environment() | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    images = sorted((copied.folder / "images").rglob("*.png"))
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == list(map(str, images)) and len(images) == 8
    for row in rows(table):
        assert row["class"] in CLASSES
        assert sum(float(row[f"probability_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-5)

    card = model.with_suffix(".md").read_text()
    metrics = json.loads((copied.folder / "results/runs/web/kd/seed0/metrics.json").read_text())
    correct = round(metrics["accuracy"] * metrics["n_test"])
    assert f"classifies {correct} of 15 test images correctly,\n{100 * metrics['accuracy']:.2f} %" in card
    (summary,) = [
        row
        for row in rows(copied.folder / "results" / "tables" / "summary.csv")
        if (row["scenario"], row["arm"]) == ("web", "kd")
    ]
    assert f"the mean is {summary['mean_percent']} %" in card
    interval = f"interval of the mean {summary['low']} to {summary['high']}" if summary["low"] else "all equal, so"
    assert interval in card and summary["train"] in card
    assert "**A test on drawn images.**" in card.splitlines()[2]
    assert copied.planned() == []  # the study itself needs none of these files
