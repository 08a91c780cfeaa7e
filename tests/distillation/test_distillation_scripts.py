"""The scripts pass a rule's fields to the library, from the teacher's data to the metrics of a run."""

import json
import runpy
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny_study import CLASSES, RECIPE, SOURCES

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


class Named(SimpleNamespace):
    """Stands in for Snakemake's named lists, with attributes and `get`."""

    def get(self, name, otherwise=None):
        return vars(self).get(name, otherwise)


def run(name, log, **parts):
    parts = {part: Named(**values) for part, values in {**parts, "resources": {"checkpoint_every": 2}}.items()}
    snakemake = SimpleNamespace(log=[str(log)], threads=1, **parts)
    runpy.run_path(str(SCRIPTS / f"{name}.py"), init_globals={"snakemake": snakemake})


def test_the_scripts_run_from_the_teachers_data_to_the_metrics_of_a_run(study, tmp_path):
    section = asdict(replace(RECIPE, steps=6))
    del section["checkpoint_every"]  # it belongs to the rule's resources
    data, pixels = str(study.folder / "teacher.npz"), [str(path) for path in study.pixels]
    out = {name: str(tmp_path / name) for name in ("weights", "history", "predictions", "metrics")}
    log = tmp_path / "log.txt"
    run(
        "train_teacher",
        log,
        input={"data": data},
        output={name: out[name] for name in ("weights", "history")},
        params={
            "recipe": section,
            "seed": 0,
            "classes": CLASSES,
            "checkpoints": str(tmp_path / "checkpoints"),
            "deterministic": False,
        },
    )
    splits = pa.table({"source": ["web"], "row": [3], "label": [0], "split": ["test"]})
    pq.write_table(splits, tmp_path / "splits.parquet")
    run(
        "evaluate_teacher",
        log,
        input={
            "data": data,
            "weights": out["weights"],
            "splits": str(tmp_path / "splits.parquet"),
            "pixels": pixels,
        },  # fmt: skip
        output={name: out[name] for name in ("metrics", "predictions")},
        params={"sources": ["web", "drawn"]},
    )
    metrics = json.loads(Path(out["metrics"]).read_text())
    assert metrics["steps"] == 6 and metrics["sources"]["web"]["n"] == 1
    teacher = tmp_path / "teacher"
    Path(out["weights"]).rename(teacher)
    runs = [tmp_path / "runs" / "colors" / "kd" / f"seed{seed}" for seed in (0, 3)]

    def of_runs(*names):
        return {key: [str(run / name) for run in runs] for key, name in names}

    trained = of_runs(("weights", "model.safetensors"), ("history", "history.csv"), ("training", "training.json"))
    student = {
        "input": {"plans": [str(study.plan())], "pixels": pixels, "teachers": [str(teacher)]},
        "output": trained,
        "params": {
            "arm": {"method": "kd", "alpha": 0.9, "temperature": 4.0}, "recipe": section, "augment": "none",
            "sources": SOURCES, "classes": CLASSES, "augment_seed": 0,
            "checkpoints": str(tmp_path / "checkpoints" / "train_student"), "deterministic": False,
        },
    }  # fmt: skip
    run("train_student", log, **student)
    evaluated = of_runs(("predictions", "predictions.parquet"), ("metrics", "metrics.json"))
    tests = {
        "input": {"weights": trained["weights"], "trainings": trained["training"], "pixels": pixels}
        | {"splits": str(study.splits())},
        "output": evaluated | {"others": str(tmp_path / "others.parquet")},
        "params": {"sources": SOURCES, "common": ["web"], "classes": CLASSES},
    }
    run("evaluate_students", log, **tests)
    metrics = json.loads(Path(evaluated["metrics"][1]).read_text())
    assert (metrics["scenario"], metrics["arm"], metrics["seed"], metrics["n_test"]) == ("colors", "kd", 3, 15)
    assert pq.read_table(tmp_path / "others.parquet").num_rows == 2 * 15
    kept = tmp_path / "checkpoints" / "train_student" / "colors.kd.seed3"
    assert {path.name for path in kept.iterdir()} == {".digests", "finished", "finished.json", "usage.tsv"}
    assert torch.get_num_threads() == 1

    trials, choice = [str(tmp_path / "colors.kd" / "lr0.05_decay0.001_seed0.json")], str(tmp_path / "choice.json")
    asked = {"plan": str(study.plan()), "pixels": pixels, "teacher": str(teacher)}
    run("run_trial", log, **(student | {"input": asked, "output": {"trials": trials}}))
    run(
        "select_hyperparameters",
        log,
        input={"trials": trials},
        output={"choice": choice},
        params={"grid": "arms.kd.tune"},
        wildcards={"scenario": "all", "arm": "kd"},
    )
    run("train_student", log, **(student | {"input": student["input"] | {"choice": choice}}))
    facts = json.loads(Path(trained["training"][0]).read_text())
    assert (facts["lr"], facts["weight_decay"]) == (0.05, 0.001)

    teacher.write_bytes(b"half")
    with pytest.raises(SystemExit):
        run("train_student", log, **student)
    assert "ERROR weights" in log.read_text() and "Delete it and run again" in log.read_text()
