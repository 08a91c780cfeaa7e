"""Named arrays of an `.npz`: read with one clear line when damaged. Imports numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distillery.jobs import StudyError, one_line


def read_arrays(path: str | Path, names: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Arrays by name.

    Args:
        what: the file is called in the message.

    Raises:
        StudyError: the file is damaged or lacks an array; names it and says to delete it.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except FileNotFoundError:
        raise
    except Exception as error:  # a truncated archive raises zipfile's, zlib's, numpy's and plain errors
        reason = one_line(error, 120)
        raise StudyError(f"{what} {path} is damaged ({reason}). Delete it and run again.") from error
