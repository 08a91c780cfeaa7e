"""`python -m distillery.new` prints what it wrote and the next command."""

import json
import re
import subprocess
import sys
from pathlib import Path

from running import environment

from distillery.new.next_command import next_command

ROOT = Path(__file__).parents[2]


def run(*arguments, cwd):
    code = "import json, sys; from distillery.new.__main__ import main; main(); print(json.dumps(sorted(sys.modules)))"
    paths = environment() | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=paths, capture_output=True, text=True)


def test_the_command_says_what_is_next_and_imports_nothing_heavy(tmp_path):
    done = run("my tomatoes", "ripe", "rotten", cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr
    *text, modules = done.stdout.splitlines()
    assert text[0].startswith("my tomatoes/config.yaml: 2 classes, for a machine with")
    assert text[2].endswith("--directory 'my tomatoes' --cores all") and str(ROOT / "Snakefile") in text[2]
    heavy = {"torch", "numpy", "pandas", "pyarrow", "pydantic", "snakemake", "PIL", "requests"}
    assert not heavy & {name.partition(".")[0] for name in json.loads(modules)}
    again = run("my tomatoes", "ripe", "rotten", cwd=tmp_path)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "exists already" in again.stderr


def test_from_the_repository_the_next_command_is_short(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert re.fullmatch(r"(\.venv/bin/)?snakemake --directory x --cores all", next_command(Path("x")))


def test_the_command_takes_folders_of_images(photos, tmp_path):
    photos(tmp_path / "photos", cat=10, dog=12)
    done = run("pets", "--images", "photos", cwd=tmp_path)
    assert done.stdout.startswith("pets/config.yaml: cat 10, dog 12 images, for a machine with"), done.stderr
    heavy = {"torch", "numpy", "pandas", "pyarrow", "pydantic", "snakemake", "PIL", "requests"}
    assert not heavy & {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    chosen = run("two", "--images", "photos", "dog", "cat", cwd=tmp_path)
    assert chosen.stdout.startswith("two/config.yaml: dog 12, cat 10 images"), chosen.stderr
    for options, message in [
        (["--images", ""], "--images is empty. Give it a value"),
        (["--images", "photos", "--contact", "me@example.org"], "--contact is for image searches"),
        (["--teacher", "photos"], "unrecognized arguments: --teacher"),  # no option is abbreviated
    ]:
        done = run("other", "cat", "dog", *options, cwd=tmp_path)
        assert done.returncode and message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "other").exists()
    lacks = run("other", "--unlabeled", "photos", cwd=tmp_path)
    assert lacks.returncode == 1 and "need --images" in lacks.stderr and lacks.stderr.count("\n") == 1
