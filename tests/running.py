"""Run a study with Snakemake in its own process group, follow its output, or kill it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLANS = re.compile(r"^(\w+) +(\d+)$")
STARTS = re.compile(r"^(?:local)?rule (\w+):$")
ENDS = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)$")
LOCKED = "Directory cannot be locked"


def command(folder: Path, *arguments: str) -> list[str]:
    """The command that runs Snakemake on a study's folder."""
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return [*start, *arguments]


def environment() -> dict[str, str]:
    """The environment of this process, without the user's Snakemake profile."""
    return {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}


def lay_out_demo(folder: Path) -> Path:
    """Copy the demonstration's files into a new folder."""
    folder.mkdir()
    shutil.copyfile(ROOT / "demo" / "config.yaml", folder / "config.yaml")
    shutil.copytree(ROOT / "demo" / "model", folder / "model")
    return folder


class Run:
    """A run of Snakemake in a folder.

    Attributes:
        planned: number of jobs of each rule, once Snakemake has printed it.
        running: rules of the jobs that have started and not ended; one entry a job.
        ended: rules of the jobs that have succeeded; one entry a job.
        lines: the output.
    """

    def __init__(self, folder: Path, *targets: str, cores: int = 2):
        self.process = subprocess.Popen(
            # --printshellcmds: the output has Snakemake's own lines
            command(folder, "--cores", str(cores), "--printshellcmds", *targets),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # a process in a shell's background ignores Ctrl-C, and its children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.planned: dict[str, int] = {}
        self.running: list[str] = []
        self.ended: list[str] = []
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            line = line.rstrip("\n")
            with self._news:
                self.lines.append(line)
                if planned := PLANS.match(line):
                    self.planned[planned[1]] = int(planned[2])
                elif started := STARTS.match(line):
                    self.running.append(started[1])
                elif (ended := ENDS.match(line)) and ended[1] in self.running:
                    self.running.remove(ended[1])
                    self.ended.append(ended[1])
                self._news.notify_all()

    def wait_until(self, happened: Callable[[Run], bool], what: str, seconds: float = 600) -> None:
        """Wait until a condition on this run is true.

        Raises:
            AssertionError: if the run ends first, or the time is over.
        """
        end = time.monotonic() + seconds
        with self._news:
            while not happened(self):
                assert self.process.poll() is None, f"it ended before {what}:\n" + "\n".join(self.lines[-40:])
                assert time.monotonic() < end, f"{what} did not come in {seconds:g} s:\n" + "\n".join(self.lines[-40:])
                self._news.wait(0.2)

    def wait_for(self, rule: str, seconds: float = 600) -> None:
        """Wait until a job of a rule runs."""
        self.wait_until(lambda run: rule in run.running, f"a job of {rule}", seconds)

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal to all its processes, as a terminal does, and return the exit status."""
        os.killpg(self.process.pid, number)
        return self.end()

    def end(self, seconds: float = 600) -> int:
        """Wait for its end; returns the exit status."""
        status = self.process.wait(seconds)
        self._reader.join(10)
        return status

    def text(self) -> str:
        """The output so far."""
        return "\n".join(self.lines)


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes whose working directory is a folder, or that name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            inside = Path(os.readlink(process / "cwd")).is_relative_to(folder)
        except OSError:  # the process has ended, or belongs to another user
            continue
        if int(process.name) != os.getpid() and words and (inside or str(folder) in words):
            found.append(words)
    return found


def unlock(folder: Path) -> None:
    """Unlock a folder after a kill, as documented."""
    subprocess.run(command(folder, "--unlock"), cwd=ROOT, check=True, capture_output=True)


def finish(folder: Path, *targets: str, cores: int = 2) -> tuple[Run, bool]:
    """Run to the end as a user would, with `--unlock` if a killed run left a lock.

    Returns:
        The finished run, and whether there was a lock.
    """
    run = Run(folder, *targets, cores=cores)
    if locked := bool(run.end(3600)) and LOCKED in run.text():
        unlock(folder)
        run = Run(folder, *targets, cores=cores)
    assert run.end(3600) == 0, run.text()[-6000:]
    return run, locked
