"""Allow one run at a time on a study's folder, whatever its targets.

Snakemake's own lock allows two runs whose files differ, and any run with `--nolock`; but all runs of a study share
stores, checkpoints and notes. This is a file lock of the kernel: it ends with its process, however that ends. It holds
between containers that share a disk, and between computers if their shared disk supports locks (NFS does).
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

from distillery.jobs import UserError, one_line

# decides whether a run starts, not what it computes
CHANGES_NO_RESULT = True

FILE = Path(".snakemake/distillery.run")  # below the study's folder
# options with which Snakemake only reads a study; a dry run is recognized by Snakemake's settings instead
LOOKS = (
    *("--summary", "--detailed-summary", "-D", "--list-changes", "--list-untracked", "--report", "--report-html"),
    *(
        "--dag",
        "--rulegraph",
        "--filegraph",
        "--d3dag",
        "--lint",
        "--list-rules",
        "--list-target-rules",
        "--list",
        "-l",
    ),
    *("--list-resources", "--print-compilation", "--archive", "--list-conda-envs", "--containerize"),
)

_held: list[IO[str]] = []  # open files; their locks end with the process


def only_looks(arguments: Sequence[str]) -> bool:
    """Whether a command's arguments make Snakemake only read a study, and change nothing in it."""
    return any(argument.partition("=")[0] in LOOKS for argument in arguments)


def hold_run(folder: str | Path = ".") -> None:
    """Keep other runs off a study's folder until this process ends.

    Raises:
        UserError: another run is at work there; the message says on which computer, and since when.
    """
    if (file := _lock(Path(folder, FILE))) is None:
        return
    file.truncate(0)
    file.write(f"on {socket.gethostname()}, process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M}\n")
    file.flush()
    _held.append(file)


def require_no_run(folder: str | Path = ".") -> None:
    """Raise a `UserError` if a run is at work on a study's folder."""
    if Path(folder, FILE).exists() and (file := _lock(Path(folder, FILE))):
        file.close()


def _lock(path: Path) -> IO[str] | None:
    """The locked file, or None if files cannot be locked there; then only Snakemake's own lock protects the study."""
    try:
        path.parent.mkdir(exist_ok=True)
        file = path.open("a+", encoding="utf-8", errors="replace")
    except OSError:  # a folder that is not writable is reported by `require_writable`
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        whose = one_line(file.read(), 200)
        file.close()
        raise UserError(
            f"Another run is at work on {path.parent.parent.resolve()}{f' ({whose})' if whose else ''}. Nothing was"
            " started. Wait until it ends, or stop it with Ctrl-C, then run the same command again."
        ) from None
    except OSError:
        file.close()
        return None
    return file
