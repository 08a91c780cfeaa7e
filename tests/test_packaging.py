"""Pins, ranges and environments agree, and no file of versions names a host."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from distillery import __version__

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
PIN = re.compile(r"([A-Za-z0-9_.-]+)==([0-9][\w.]*)")


def pins(lines):
    found = {}
    for line in lines:
        text = line.partition("#")[0].strip(" \\\n")
        if text and not text.startswith("--hash"):
            name, version = PIN.fullmatch(text).groups()
            found[name.lower().replace("_", "-")] = version
    return found


DEVELOPMENT = {
    *("pytest", "pytest-xdist", "hypothesis", "jsonschema", "axe-core-python", "statsmodels", "ruff", "snakefmt"),
    *("imagehash", "packaging"),
    *("mypy", "types-pyyaml", "types-requests", "types-tqdm"),
}
REQUIREMENTS = pins((ROOT / "requirements.txt").read_text().splitlines())


def test_every_requirement_is_pinned_and_has_a_reason():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+ +# \w.+", line), line


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_are_in_step_with_the_pins(path):
    environment = yaml.safe_load(path.read_text())
    installed = pins(environment["dependencies"][-1]["pip"])
    assert installed and installed == {name: REQUIREMENTS[name] for name in installed}
    assert "python >=3.11,<3.15" in environment["dependencies"]


def test_every_rule_has_an_environment_that_is_here():
    named = set()
    for rules in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = rules.read_text()
        written = len(re.findall(r"^ *script:$", text, re.M))
        environments = re.findall(r'conda:\s+"\.\./\.\./envs/(\w+)\.yaml"', text)
        assert len(environments) == written, rules
        named |= set(environments)
    assert named == {path.stem for path in ENVIRONMENTS}


def test_constraints_pin_the_requirements_too():
    constraints = pins((ROOT / "constraints.txt").read_text().splitlines())
    assert {name: constraints[name] for name in REQUIREMENTS} == REQUIREMENTS


def test_ranges_admit_the_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11" and sys.version_info >= (3, 11)
    ranges = dict(re.fullmatch(r"([\w-]+) *(>=.*)", text).groups() for text in project["dependencies"])
    assert set(ranges) == set(REQUIREMENTS) - DEVELOPMENT
    for name, limits in ranges.items():
        low, high = re.fullmatch(r">=([\d.]+), *<([\d.]+)", limits).groups()
        version = tuple(map(int, REQUIREMENTS[name].partition(".post")[0].split(".")))
        assert tuple(map(int, low.split("."))) <= version < tuple(map(int, high.split("."))), name


@pytest.mark.parametrize(
    "name", ["requirements.txt", "constraints.txt", "pyproject.toml", *[f"envs/{p.name}" for p in ENVIRONMENTS]]
)
def test_no_file_of_versions_names_a_host(name):
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", (ROOT / name).read_text())


def test_every_pin_has_hashes():
    """`make hashes` writes them after a change of versions."""
    entries = re.split(r"\n(?=[a-z])", (ROOT / "constraints.txt").read_text())
    hashed = re.compile(r"[\w.-]+==[\w.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n?")
    assert [entry.splitlines()[0] for entry in entries if not hashed.fullmatch(entry)] == []
    for name in ("requirements-cluster.txt", "requirements-docs.txt"):
        wanted = pins(re.sub(r"\[.*?\]", "", (ROOT / name).read_text()).splitlines())
        assert wanted.items() <= pins((ROOT / "constraints.txt").read_text().splitlines()).items(), name


def test_the_container_has_a_user_without_rights_and_one_name():
    recipe = (ROOT / "Containerfile").read_text()
    instructions = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", recipe, re.M)
    assert [name for name, _ in instructions] == ["FROM", "ARG", "RUN", "COPY", "RUN", "RUN", "USER", "WORKDIR"]
    assert dict(instructions)["USER"] == "1000" and "--uid 1000" in recipe and "--require-hashes" in recipe
    assert re.fullmatch(r"docker\.io/library/python:3\.1[1-4]-slim", dict(instructions)["FROM"])
    copied = dict(instructions)["COPY"].split()[:-1]
    assert {f"!{name}" for name in copied} == set((ROOT / ".containerignore").read_text().split()) - {"*"}
    assert all((ROOT / name).exists() for name in copied)
    for shell in (text for name, text in instructions if name == "RUN"):
        subprocess.run(["sh", "-n"], input=shell, text=True, check=True)
    image = f"example/distillery:{__version__}"
    profile = yaml.safe_load((ROOT / "profiles" / "kubernetes" / "profile.v9+.yaml").read_text())
    assert profile["container-image"] == image and f"--tag {image} ." in recipe
    assert f'"docker://{image}"' in (ROOT / "Snakefile").read_text()


def test_the_version_is_written_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "distillery.__version__"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
