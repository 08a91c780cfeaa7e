"""Check before a run that it can write its files; Snakemake itself would end with a traceback."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from distillery.jobs import UserError

TEMPORARY_BYTES = 1_000_000  # Snakemake's plan of its next jobs is smaller

# decides whether a run starts, not what it computes
CHANGES_NO_RESULT = True


def require_writable(folder: str | Path = ".") -> None:
    """Raise a `UserError` if a study's folder, where Snakemake and the study write, is not writable."""
    try:
        Path(folder, ".snakemake").mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Nothing can be written to {Path(folder).resolve()} ({error.strerror}). Copy the study's config.yaml to a"
            " folder of your own and give it: --directory FOLDER. The checkout itself may be read-only."
        ) from None


def require_room_for_temporary_files() -> None:
    """Raise a `UserError` if a small file cannot be written to the folder of temporary files."""
    folder = os.environ.get("TMPDIR") or tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(TEMPORARY_BYTES))
            file.flush()
    except OSError as error:
        raise UserError(
            f"Temporary files cannot be written to {folder} ({error.strerror}). Free some space there, or set TMPDIR to"
            " a folder that has some."
        ) from None
