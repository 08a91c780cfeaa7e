"""The shell command that runs a study, as a program prints it."""

from __future__ import annotations

import shlex
from pathlib import Path

ROOT = Path(__file__).parents[4]  # of the repository


def next_command(folder: Path) -> str:
    """The shell command that runs a study from the current working directory."""
    parts = [*(["--directory", str(folder)] if folder.resolve() != Path.cwd().resolve() else []), "--cores", "all"]
    here = Path.cwd().resolve() == ROOT.resolve()
    snakemake = ROOT / ".venv" / "bin" / "snakemake"
    program = "snakemake" if not snakemake.exists() else ".venv/bin/snakemake" if here else str(snakemake)
    return shlex.join([program, *([] if here else ["--snakefile", str(ROOT / "Snakefile")]), *parts])
