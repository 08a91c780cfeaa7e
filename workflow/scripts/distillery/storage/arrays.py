"""Read and write arrays in files; a damaged or too large file is a one-line error. Of heavy packages, imports numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distillery.jobs import UserError, one_line, require_whole, too_large

CHUNK_BYTES = 1 << 22  # of an array that is written


def read_arrays(path: str | Path, names: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """Read arrays of a `.npz`, by name.

    Args:
        path: the file.
        names: of the arrays wanted.
        what: what a message calls the file, such as "teacher's data".

    Raises:
        FileNotFoundError: there is no such file.
        UserError: the file is damaged, lacks an array or does not fit into memory; the message names the file.
    """
    require_whole([path])
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except FileNotFoundError:
        raise
    except MemoryError as error:
        raise too_large(f"{what} {path}", error) from error
    except Exception as error:  # a truncated archive raises errors of zipfile, zlib, numpy and Python
        reason = one_line(error, 120)
        raise UserError(f"{what} {path} is damaged ({reason}). Delete it and run again.") from error


def map_pixels(path: str | Path) -> np.ndarray:
    """Open the images in a `.npy` as a memory map, uint8 [N, S, S, 3].

    Raises:
        FileNotFoundError: there is no such file.
        UserError: the file is damaged; the message names it and says to delete it.
    """
    return map_array(path, (-1, -1, -1, 3), "pixels")


def map_array(path: str | Path, shape: Sequence[int], what: str) -> np.ndarray:
    """Open a uint8 array in a `.npy` as a memory map.

    Args:
        path: the file.
        shape: of the array; -1 for any length.
        what: what a message calls the file's content, such as "pixels".

    Raises:
        FileNotFoundError: there is no such file.
        UserError: the file is damaged or has another shape; the message names it and says to delete it.
    """
    require_whole([path])
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("not a single array")
        fits = len(shape) == array.ndim and all(n in (-1, m) for n, m in zip(shape, array.shape, strict=True))
        if array.dtype != np.uint8 or not fits:
            wanted = ", ".join("N" if length < 0 else str(length) for length in shape)
            raise ValueError(f"{array.dtype} {array.shape} instead of uint8 [{wanted}]")
    except FileNotFoundError:
        raise
    except Exception as error:  # the header is Python source: its parser, its tokenizer and numpy raise many types
        reason = one_line(error, 120)
        raise UserError(f"{what} {path} are damaged ({reason}). Delete the file and run again.") from error
    return array


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write a `.npy` as np.save does; on a full disk, unlike np.save, raise an OSError whose errno says so."""
    write_rows(path, array, range(len(array)))


def write_rows(path: str | Path, array: np.ndarray, rows: Sequence[int]) -> None:
    """Write some rows of an array as a `.npy`; the array may be larger than memory, such as a memory map.

    Args:
        path: the file.
        array: of one or more dimensions.
        rows: indices of the rows, in the order in which they are written.
    """
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": (len(rows), *array.shape[1:])}
    step = max(1, CHUNK_BYTES // max(array[:1].nbytes, 1))
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(rows), step):
            file.write(np.ascontiguousarray(array[list(rows[first : first + step])]).data)
