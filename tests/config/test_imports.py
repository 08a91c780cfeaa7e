"""Jobs import no slow library that they do not use, such as pydantic to retrieve or torch to read a configuration."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
JOBS = sorted(path.stem for path in SCRIPTS.glob("*.py"))
RETRIEVE = (
    "check_search",
    "check_model",
    "crawl",
    "fetch_addresses",
    "import_folder",
    "generate",
    "generate_share",
    "curate",
    "split",
)
TRAIN = ("prepare_teacher_data", "train_teacher", "evaluate_teacher", "train_student")
TRAIN += ("run_trial", "select_hyperparameters", "evaluate_students")


def imported_by(code):
    """The modules that a piece of code imports, in a separate process."""
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def imports_of(job):
    """The import statements of a job's script."""
    statements = ast.parse((SCRIPTS / f"{job}.py").read_text()).body
    return "\n".join(ast.unparse(each) for each in statements if isinstance(each, ast.Import | ast.ImportFrom))


@pytest.mark.parametrize("jobs", [RETRIEVE, TRAIN], ids=["retrieve", "train"])
def test_no_job_that_retrieves_or_trains_imports_pydantic(jobs):
    assert set(jobs) <= set(JOBS)
    found = imported_by("\n".join(map(imports_of, jobs)))
    assert "distillery.jobs" in found and "pydantic" not in found


def test_no_job_imports_the_models():
    found = imported_by("\n".join(map(imports_of, JOBS)))
    assert {name for name in found if name.startswith("distillery.config")} <= {
        "distillery.config", "distillery.config.choices",
    }  # fmt: skip


def test_the_configuration_is_read_without_heavy_libraries():
    files = (path.relative_to(SCRIPTS).with_suffix("") for path in (SCRIPTS / "distillery" / "config").rglob("*.py"))
    modules = [".".join(path.parts) for path in files if path.name != "__init__"]
    found = imported_by("\n".join(f"import {name}" for name in (*modules, "distillery.sources.own_files")))
    assert "pydantic" in found
    heavy = {"torch", "numpy", "pandas", "pyarrow", "jsonschema", "PIL", "requests"}
    assert not heavy & {name.partition(".")[0] for name in found}
