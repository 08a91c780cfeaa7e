"""Read and write Parquet tables: a table is written atomically, and a damaged one is a one-line error.

This module converts columns from and to buffers itself, because pyarrow's own conversion imports pandas if that is
installed, which costs each job 2 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from distillery.jobs import UserError, one_line, require_whole, too_large
from distillery.storage.files import atomic_path


def write_parquet(path: str | Path, columns: Mapping[str, Any], schema: pa.Schema) -> None:
    """Write columns as a table of exactly this schema, atomically.

    Args:
        path: the `.parquet` to write.
        columns: arrays or lists of one length, without missing values.
        schema: names and types of the columns, in order.
    """
    arrays = [to_column(columns[name], schema.field(name).type) for name in schema.names]
    with atomic_path(path, digest=True) as temporary:
        table = pa.Table.from_arrays(arrays, schema=schema)
        # without checksums, most flipped bits would change values and raise no error
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def to_column(values: Any, kind: pa.DataType) -> pa.Array:
    """An arrow array: of str [N], of bools or numbers [N], or of numbers [N, C] as lists of a fixed size."""
    if pa.types.is_fixed_size_list(kind):
        flat = to_column(np.reshape(values, -1), kind.value_type)
        return pa.Array.from_buffers(kind, len(values), [None], children=[flat])
    if pa.types.is_string(kind):
        texts = [str(text).encode() for text in values]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return pa.Array.from_buffers(kind, len(texts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))])
    numbers = np.ascontiguousarray(values, kind.to_pandas_dtype())
    bits = np.packbits(numbers, bitorder="little") if pa.types.is_boolean(kind) else numbers
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(bits)])


def read_parquet(path: str | Path, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Read columns of a table with N rows.

    Returns:
        Numbers and bools as arrays [N] of their types, text as str objects [N], lists of C numbers as arrays [N, C].

    Raises:
        FileNotFoundError: there is no such file.
        UserError: the file is damaged, lacks a column, lacks a value or does not fit into memory; the message names it.
    """
    require_whole([path])
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:  # pq.read_table would import pandas
            table = file.read(columns=list(columns))
        return {name: _from_column(table.column(name)) for name in columns}
    except FileNotFoundError:
        raise
    except MemoryError as error:  # Arrow's own error is a subclass
        raise too_large(f"table {path}", error) from error
    except (pa.ArrowException, OSError, KeyError, BufferError, TypeError, ValueError) as error:
        reason = one_line(error, 120)
        raise UserError(f"table {path} is damaged ({reason}). Delete it and run again.") from error


def read_rows(path: str | Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read the rows of a table as dictionaries of plain Python values.

    Raises: as `read_parquet`.
    """
    parts = [column.tolist() for column in read_parquet(path, columns).values()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*parts, strict=True)]


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read the metadata of a table's schema, without reading its columns.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: the file is damaged; the message names it and says to delete it.
    """
    require_whole([path])
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.metadata or {}
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"table {path} is damaged ({one_line(error, 120)}). Delete it and run again.") from error
    return {name.decode(): value.decode() for name, value in found.items()}


def _from_column(column: pa.ChunkedArray) -> np.ndarray:
    if column.null_count:
        raise TypeError(f"{column.null_count} missing values")
    if pa.types.is_boolean(column.type):  # Arrow stores single bits, which numpy cannot read
        return _from_column(column.cast(pa.uint8())).astype(bool)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        empty = np.empty(0, column.type.to_pandas_dtype())
        return np.concatenate([empty, *(np.from_dlpack(chunk) for chunk in column.chunks)])
    if pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type):
        empty = np.empty(0, column.type.value_type.to_pandas_dtype())
        flat = np.concatenate([empty, *(_from_column(pa.chunked_array([chunk.flatten()])) for chunk in column.chunks)])
        fixed = pa.types.is_fixed_size_list(column.type)
        width = column.type.list_size if fixed else len(flat) // max(1, len(column))
        return flat.reshape(len(column), width)
    values = np.empty(len(column), object)
    values[:] = column.to_pylist()
    return values
