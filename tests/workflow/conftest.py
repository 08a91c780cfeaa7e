"""A whole study, small enough for tests: three classes, four kinds of sources, every stage real."""

import copy
import csv
import fcntl
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from running import ROOT, command, environment

from distillery_demo.drawing import draw

CLASSES = ("airplane", "frog", "ship")

STUDY = {
    "title": "A study for tests",
    "image_size": 16,
    "seeds": 2,
    "classes": {
        name: {"queries": [name, f"big {name}"], "prompts": [f"a photo of a {name}"]} for name in CLASSES
    },
    "sources": {
        "google": {"kind": "google", "per_class": 16},
        "bing": {"kind": "bing", "per_class": 14},
        "mine": {"kind": "folder", "path": "images", "classes": ["frog", "ship"]},
        "sd2": {
            "kind": "diffusion", "per_class": 5, "model": str(ROOT / "demo" / "model"), "size": 32, "steps": 2,
        },
    },
    "split": {"test": {"google": 9, "bing": 6, "mine": 2}, "val": {"google": 3}, "common": ["google", "bing"]},
    "teacher": {
        "data": {"kind": "drawn", "train": 60, "test": 30}, "network": "resnet8_half", "steps": 20, "batch": 16,
        "threads": 1,  # with two, threads would wait for each other while other jobs run
    },
    "student": {"network": "resnet8_half", "steps": 6, "batch": 8},
    "scenarios": {
        "web": {"train": {"google": 12, "bing": 9}},
        "color": {"train": {"google": 9}, "augment": "color"},
        "rotation": {"train": {"mine": 6}, "augment": "rotation", "arms": ["kd"]},
        "sd2": {"train": {"sd2": 12}, "size": "large"},
        "tidy": {"train": {"google": 3}, "clean": True, "arms": ["scratch"]},
    },
    "demo": {"label": "A test on drawn images", "results_per_query": 16},
}  # fmt: skip


class Study:
    """A study's folder, in which tests run Snakemake as a user would."""

    def __init__(self, folder: Path, config: dict):
        self.folder = folder
        self.configure(config)

    def configure(self, config: dict) -> None:
        self.config = config
        path, text = self.folder / "config.yaml", yaml.safe_dump(config, sort_keys=False)
        if not path.exists() or path.read_text() != text:  # another process may read it
            path.write_text(text)

    def snakemake(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess:
        started = command(self.folder, "--cores", str(cores), *arguments)
        return subprocess.run(started, cwd=ROOT, env=environment(), capture_output=True, text=True)

    def run(self, *targets: str) -> str:
        done = self.snakemake(*targets)
        assert done.returncode == 0, done.stderr[-6000:]
        return done.stderr

    def planned(self, *targets: str) -> list[tuple[str, str]]:
        """The jobs a run would start: (rule, wildcards as "name=value, …")."""
        done = self.snakemake("--dry-run", "--printshellcmds", *targets)
        assert done.returncode == 0, done.stderr[-6000:] + done.stdout[-2000:]
        text = done.stdout + done.stderr
        blocks = re.split(r"^(?:local)?rule (\w+):\n", text, flags=re.M)[1:]
        jobs = []
        for rule, block in zip(blocks[::2], blocks[1::2], strict=True):
            found = re.search(r"^    wildcards: (.*)$", block, flags=re.M)
            jobs.append((rule, found[1] if found else ""))
        return jobs

    def counted(self, *targets: str) -> Counter:
        return Counter(rule for rule, _ in self.planned(*targets))


def write_own_images(folder: Path) -> None:
    """Write the user's own images for source `mine`: four of each of its classes."""
    for name in ("frog", "ship"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            draw(name, "teacher", number, 48).save(folder / "images" / name / f"{number}.png")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Study:
    """A finished study, which all test processes share: the first that needs it runs it.

    Leave its files as they are: tests that change something take a `copied`.
    """
    temporary = tmp_path_factory.getbasetemp()
    folder = (temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary) / "finished"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            assert (folder / "results" / "report.html").exists(), "it was not finished by the process that began it"
            return Study(folder, copy.deepcopy(STUDY))
        folder.mkdir()
        write_own_images(folder)
        study = Study(folder, copy.deepcopy(STUDY))
        study.run("results/summary.png", "all")
        return study


@pytest.fixture
def copied(finished, tmp_path) -> Study:
    """A copy of the finished study, including modification times and Snakemake's records."""
    shutil.copytree(finished.folder, tmp_path / "study", copy_function=shutil.copy2)
    return Study(tmp_path / "study", copy.deepcopy(finished.config))


def files_below(folder: Path) -> list[Path]:
    """The files below a folder, without the digests kept beside them."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != ".digests"]


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV table."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def wildcards(jobs: list[tuple[str, str]], rule: str) -> set[str]:
    """The wildcards of a rule's jobs, in the form of `Study.planned`."""
    return {text for name, text in jobs if name == rule}
