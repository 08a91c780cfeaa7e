"""Named arrays of an `.npz`: read with one clear line when damaged or too large. Imports numpy alone."""

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
        StudyError: the file is damaged or lacks an array; names it and says to delete it. Or the memory is too small.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except FileNotFoundError:
        raise
    except MemoryError as error:
        raise StudyError(
            f"{what} {path} does not fit into the memory that is free ({one_line(error, 120)}). Run fewer"
            " jobs at a time, or where there is more of it."
        ) from error
    except Exception as error:  # a truncated archive raises zipfile's, zlib's, numpy's and plain errors
        reason = one_line(error, 120)
        raise StudyError(f"{what} {path} is damaged ({reason}). Delete it and run again.") from error
