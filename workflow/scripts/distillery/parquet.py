"""Parquet tables: written whole, read with one clear line when damaged. Imports pyarrow, not pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distillery.files import whole
from distillery.jobs import StudyError, too_large


def write_parquet(path: str | Path, columns: Mapping[str, Any], schema: pa.Schema) -> None:
    """Write columns (arrays or lists of one length) as a table of exactly this schema, whole or not at all."""
    table = pa.table({name: pa.array(columns[name], type=schema.field(name).type) for name in schema.names}, schema)
    with whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_parquet(path: str | Path, columns: Sequence[str]) -> dict[str, Any]:
    """Columns of a table as numpy arrays (text as arrays of str objects).

    Raises:
        StudyError: the file is damaged or lacks a column; names it and says to delete it. Or the memory is too small.
    """
    try:
        table = pq.read_table(path, columns=list(columns))
        missing = set(columns) - set(table.column_names)
        if missing:
            raise pa.ArrowInvalid(f"no column {', '.join(sorted(missing))}")
    except FileNotFoundError:
        raise
    except MemoryError as error:  # Arrow's is one too
        raise too_large(f"table {path}", error) from error
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise StudyError(f"table {path} is damaged ({first}). Delete it and run again.") from error
    return {name: table[name].to_numpy(zero_copy_only=False) for name in columns}
