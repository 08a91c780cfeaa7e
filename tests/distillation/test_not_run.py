"""Jobs of a scenario that is not run write the reason, and import neither torch nor pandas."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from distillery.analysis.run_predictions import read_test_predictions
from distillery.analysis.study_tables.curves import tabulate_curves
from distillery.analysis.study_tables.runs_table import scenario_table
from distillery.curation.curated import CURATED_SCHEMA
from distillery.distillation.student_evaluation import OTHER_SCHEMA
from distillery.distillation.training_jobs import by_plan_and_teacher
from distillery.splits.refused_sources import write_refusals
from distillery.splits.scenario_plan import plan_scenario
from distillery.storage.parquet import write_parquet
from distillery.training.run_files import predictions_schema

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
REASON = "google refused (captcha)"
# runs a script as Snakemake would; fails if it imported what it does not need
PROGRAM = """
import json, runpy, sys
from types import SimpleNamespace

class Named(SimpleNamespace):
    def get(self, name, otherwise=None):
        return vars(self).get(name, otherwise)

script, parts = sys.argv[1], json.loads(sys.argv[2])
parts = {part: Named(**values) for part, values in parts.items()}
snakemake = SimpleNamespace(log=[], threads=1, resources={}, **parts)
runpy.run_path(script, init_globals={"snakemake": snakemake})
print(*({"torch", "pandas", "scipy", "matplotlib"} & set(sys.modules)))
"""


def run(script, **parts):
    text = json.dumps({part: parts.get(part, {}) for part in ("input", "output", "params", "wildcards")})
    command = [sys.executable, "-c", PROGRAM, str(SCRIPTS / f"{script}.py"), text]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(SCRIPTS)}, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.fixture
def plan(tmp_path):
    """The plan of a scenario that is not run."""
    write_refusals(tmp_path / "refusals.json", {"google": {"cat": "captcha"}})
    settings = {"classes": {}, "common": [], "augmented": False, "shortfall": "error"}
    path = tmp_path / "plan.parquet"
    plan_scenario("", path, scenario="web", train={"google": 4}, refusals=tmp_path / "refusals.json", **settings)
    return str(path)


def test_students_that_are_not_run_leave_files_with_the_reason(tmp_path, plan):
    runs = [tmp_path / "runs" / "web" / "kd" / f"seed{seed}" for seed in (0, 1)]
    names = {"weights": "model.safetensors", "history": "history.csv", "training": "training.json"}
    trained = {name: [str(run / file) for run in runs] for name, file in names.items()}
    run("train_student", input={"plans": [plan]}, output=trained)
    names = {"predictions": "predictions.parquet", "metrics": "metrics.json"}
    tested = {name: [str(run / file) for run in runs] for name, file in names.items()}
    others = str(tmp_path / "others.parquet")
    run(
        "evaluate_students",
        input={"weights": trained["weights"], "trainings": trained["training"], "splits": "", "pixels": []},
        output=tested | {"others": others},
        params={"sources": ["mine"], "common": ["mine"], "classes": ["cat", "dog"]},
    )
    last = runs[1]
    assert (last / "model.safetensors").read_bytes() == b""
    assert (last / "history.csv").read_text() == "step,loss,lr,val_accuracy\n"
    assert pq.read_table(last / "predictions.parquet").num_rows == 0
    assert pq.read_schema(last / "predictions.parquet") == predictions_schema(2)
    assert pq.read_table(others).num_rows == 0 and pq.read_schema(others) == OTHER_SCHEMA
    for file in ("training.json", "metrics.json"):
        assert json.loads((last / file).read_text()) == {"scenario": "web", "arm": "kd", "seed": 1, "not_run": REASON}
    # the tables of runs leave it out
    assert scenario_table([last / "metrics.json"], {"train": {"google": 4}, "arms": ["kd"]}).empty
    assert read_test_predictions([last / "predictions.parquet"], ["web"], ["kd"]) == {}
    tabulate_curves([last / "history.csv"], tmp_path / "curves.csv", scenarios=["web"], arms=["kd"])
    assert (tmp_path / "curves.csv").read_text().count("\n") == 1


def test_trials_and_their_selection_pass_the_reason_on(tmp_path, plan):
    trials, choice = [str(tmp_path / f"{n}.json") for n in range(2)], str(tmp_path / "choice.json")
    run("run_trial", input={"plan": plan}, output={"trials": trials})
    run(
        "select_hyperparameters",
        input={"trials": trials},
        output={"choice": choice},
        params={"grid": "student.tune"},
        wildcards={"scenario": "web"},
    )
    assert json.loads(Path(choice).read_text()) == {"not_run": REASON}


def test_the_audit_of_a_source_without_images_has_no_rows(tmp_path):
    columns = {field.name: [""] if str(field.type) == "string" else [0] for field in CURATED_SCHEMA}
    write_parquet(tmp_path / "google.parquet", columns | {"reason": ["refused: captcha"]}, CURATED_SCHEMA)
    np.save(tmp_path / "google.npy", np.empty((0, 16, 16, 3), np.uint8))
    output = str(tmp_path / "audit.parquet")
    inputs = {"pixels": str(tmp_path / "google.npy"), "table": str(tmp_path / "google.parquet")}
    others = {"leakage": "", "splits": "", "weights": "", "own_predictions": ""}
    outputs = {"audit": output, "own_test": str(tmp_path / "own.parquet")}
    run("audit_labels", input=inputs | others, output=outputs, params={"source": "google"})
    assert [pq.read_table(path).num_rows for path in outputs.values()] == [0, 0]


def test_runs_of_a_job_share_their_plan_and_teacher():
    weights = [f"results/runs/web/kd/seed{seed}/model.safetensors" for seed in range(5)]
    others = [f"results/runs/web/kd/seed{seed}/history.csv" for seed in range(5)]
    found = list(by_plan_and_teacher(["a", "b"], ["t0"], [weights, others]))
    assert found == [("a", "t0", [weights[::2], others[::2]]), ("b", "t0", [weights[1::2], others[1::2]])]
    crossed = [(plan, teacher) for plan, teacher, _ in by_plan_and_teacher(["a", "b"], ["t", "u", "v"], [weights])]
    assert crossed == [("a", "t"), ("b", "u"), ("a", "v"), ("b", "t"), ("a", "u")]
    assert list(by_plan_and_teacher(["a"], [], [weights[3:4]])) == [("a", "", [weights[3:4]])]
