"""Every program of the library explains itself, and writes nothing when it is only asked how it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
BY_THE_LIBRARY = {"distillery.deployment.speed"}  # started by the library alone
MENTIONED = {"distillery.parallel"}  # only speaks of such a line


def programs():
    files = [path for name in ("distillery", "distillery_demo") for path in (SCRIPTS / name).rglob("*.py")]
    found = {path for path in files if 'if __name__ == "__main__"' in path.read_text()}
    names = {".".join(path.relative_to(SCRIPTS).with_suffix("").parts) for path in found}
    return sorted(names - BY_THE_LIBRARY - MENTIONED)


@pytest.mark.parametrize("program", programs())
def test_help_says_how_a_program_is_used(program, tmp_path):
    command = [sys.executable, "-m", program, "--help"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(SCRIPTS)})
    assert ended.returncode == 0 and ended.stdout.startswith("usage: ") and len(ended.stdout.splitlines()) > 3
    assert not ended.stderr and not list(tmp_path.iterdir())
