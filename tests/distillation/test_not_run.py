"""Jobs of a scenario that is not run write the reason, and import neither torch nor pandas."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from distillery.analysis.other_test_sets import SCHEMA as OTHER_TEST_SETS
from distillery.analysis.run_predictions import read_test_predictions
from distillery.analysis.study_tables.curves import tabulate_curves
from distillery.analysis.study_tables.runs_table import scenario_table
from distillery.curation.curated import CURATED_SCHEMA
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
    def get(self, name):
        return vars(self).get(name)

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


def test_a_student_that_is_not_run_leaves_four_files_with_the_reason(tmp_path, plan):
    folder = tmp_path / "runs" / "web" / "kd" / "seed1"
    names = {"weights": "model.safetensors", "history": "history.csv", "predictions": "predictions.parquet"}
    output = {name: str(folder / file) for name, file in (names | {"metrics": "metrics.json"}).items()}
    params = {"scenario": "web", "arm_name": "kd", "sources": ["google"], "classes": ["cat", "dog"]}
    run("train_student", input={"plan": plan}, output=output, params=params, wildcards={"seed": "1"})
    assert Path(output["weights"]).read_bytes() == b""
    assert Path(output["history"]).read_text() == "step,loss,lr,val_accuracy\n"
    assert pq.read_table(output["predictions"]).num_rows == 0
    assert pq.read_schema(output["predictions"]) == predictions_schema(2)
    assert json.loads(Path(output["metrics"]).read_text()) == {
        "scenario": "web", "arm": "kd", "seed": 1, "not_run": REASON,
    }  # fmt: skip
    # the tables of runs leave it out
    assert scenario_table([output["metrics"]], {"train": {"google": 4}, "arms": ["kd"]}).empty
    assert read_test_predictions([output["predictions"]], ["web"], ["kd"]) == {}
    tabulate_curves([output["history"]], tmp_path / "curves.csv", scenarios=["web"], arms=["kd"])
    assert (tmp_path / "curves.csv").read_text().count("\n") == 1


def test_trials_and_their_selection_pass_the_reason_on(tmp_path, plan):
    trials, choice = [str(tmp_path / f"{n}.json") for n in range(2)], str(tmp_path / "choice.json")
    for trial in trials:
        run("run_trial", input={"plan": plan}, output={"trial": trial}, wildcards={"scenario": "web"})
    run(
        "select_hyperparameters",
        input={"trials": trials},
        output={"choice": choice},
        params={"grid": "student.tune"},
        wildcards={"scenario": "web"},
    )
    assert json.loads(Path(choice).read_text()) == {"not_run": REASON}


def test_other_test_sets_have_no_predictions_of_it(tmp_path, plan):
    output = str(tmp_path / "other.parquet")
    inputs = {"weights": ["a/b/seed0/model.safetensors"], "plan": plan, "splits": "", "pixels": []}
    params = {"sources": ["mine"], "classes": ["cat"]}
    run("predict_other_test_sets", input=inputs, output={"predictions": output}, params=params)
    assert pq.read_table(output).num_rows == 0 and pq.read_schema(output) == OTHER_TEST_SETS


def test_the_audit_of_a_source_without_images_has_no_rows(tmp_path):
    columns = {field.name: [""] if str(field.type) == "string" else [0] for field in CURATED_SCHEMA}
    write_parquet(tmp_path / "google.parquet", columns | {"reason": ["refused: captcha"]}, CURATED_SCHEMA)
    np.save(tmp_path / "google.npy", np.empty((0, 16, 16, 3), np.uint8))
    output = str(tmp_path / "audit.parquet")
    inputs = {"pixels": str(tmp_path / "google.npy"), "table": str(tmp_path / "google.parquet")}
    others = {"leakage": "", "splits": "", "weights": ""}
    run("audit_labels", input=inputs | others, output={"audit": output}, params={"source": "google"})
    assert pq.read_table(output).num_rows == 0
