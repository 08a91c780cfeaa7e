"""Paths at which a checkout works."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_python_under_a_path_with_a_space_is_one_line(tmp_path):
    """Otherwise Snakemake would end every job with exit code 127 and no log."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "my venv"], check=True)
    [packages] = (tmp_path / "my venv").glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    command = [tmp_path / "my venv/bin/python", "-m", "snakemake", "--cores", "1", "-s", ROOT / "Snakefile"]
    command += [
        "--directory",
        tmp_path,
        "--configfile",
        ROOT / "demo/config.yaml",
        "--",
        "resources/pools/bing/cat.tar",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Snakemake cannot start jobs if the path of Python contains a space" in done.stderr
    assert not (tmp_path / "resources").exists()
