"""Read images and labels from the parquet files of a data set, with few images in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distillery.jobs import UserError, one_line
from distillery.sources.datasets.dataset_files import ParquetPart

BATCH = 64  # images in memory at a time


@dataclass(frozen=True)
class Columns:
    """The columns to read.

    Attributes:
        image: column whose values are bytes, or have them in a field `bytes`, as on the hub.
        label: column whose values are texts, or numbers with names in the file's metadata.
        names: the study's class → the data set's label, where the two differ.
    """

    image: str
    label: str
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Columns:
        """The columns that the settings of a source or of the teacher's data name."""
        return cls(settings["image"], settings["label"], settings["names"])


@dataclass(frozen=True)
class DatasetImage:
    """An image of a data set."""

    origin: str  # `{file}:{row}`
    data: bytes | None  # None if the data set has no bytes


def read_labels(parts: Sequence[ParquetPart], columns: Columns, where: str) -> Iterator[tuple[ParquetPart, int, str]]:
    """The part, the row and the data set's own label of every image.

    Raises:
        UserError: a file is damaged, or lacks a column. The message begins with `where`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part in parts:
        try:
            file = pq.ParquetFile(part.path)
            _require_columns(file.schema_arrow.names, columns, part, where)
            names = _label_names(file.schema_arrow.metadata or {}, columns.label)
            labels = file.read(columns=[columns.label]).column(0).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{where}: {part.name} is damaged ({one_line(error, 120)}). Delete {part.path}.") from error
        for row, label in enumerate(labels):
            yield part, row, _named(label, names)


def read_images_at(
    part: ParquetPart, rows: Sequence[int], columns: Columns, where: str
) -> Iterator[tuple[int, DatasetImage]]:
    """The images at some rows of a part, each with its row, ascending; row groups without any of them are not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = sorted(rows)
    try:
        file = pq.ParquetFile(part.path)
        start, at = 0, 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            if at < len(wanted) and wanted[at] < end:
                offset = start
                for batch in file.iter_batches(BATCH, row_groups=[group], columns=[columns.image]):
                    while at < len(wanted) and wanted[at] < offset + batch.num_rows:
                        value = batch.column(0)[wanted[at] - offset].as_py()
                        yield wanted[at], DatasetImage(f"{part.name}:{wanted[at]}", _bytes(value))
                        at += 1
                    offset += batch.num_rows
            start = end
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{where}: {part.name} is damaged ({one_line(error, 120)}). Delete {part.path}.") from error


def rows_of_class(
    parts: Sequence[ParquetPart], label: str, columns: Columns, where: str
) -> list[tuple[ParquetPart, list[int]]]:
    """The rows of a class in every part.

    Args:
        parts: the parquet files.
        label: the study's class.
        columns: see `Columns`.
        where: how an error names the place in the configuration.

    Raises:
        UserError: the data set has no such label; the message lists those that it has.
    """
    wanted = columns.names.get(label, label)
    rows: dict[ParquetPart, list[int]] = {part: [] for part in parts}
    others: set[str] = set()
    for part, row, found in read_labels(parts, columns, where):
        if found == wanted:
            rows[part].append(row)
        elif len(others) < 1000:
            others.add(found)
    if not any(rows.values()):
        raise UserError(
            f"{where}: no image has the label {wanted}; labels are {', '.join(sorted(others))[:300] or 'missing'}."
            f" Give the class one of these names, or map it to one of them: names: {{{label}: …}}."
        )
    return list(rows.items())


def _require_columns(found: Sequence[str], columns: Columns, part: ParquetPart, where: str) -> None:
    for key, name in (("image", columns.image), ("label", columns.label)):
        if name not in found:
            raise UserError(f"{where}: {part.name} has no column {name}, but {', '.join(found)}. Correct `{key}`.")


def _label_names(metadata: Mapping[bytes, bytes], column: str) -> list[str]:
    """The names of the numbers in a column of labels, from the metadata of the hub's files; empty if they have none."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, ValueError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _named(label: Any, names: Sequence[str]) -> str:
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(names):
        return names[label]
    return str(label)


def _bytes(value: Any) -> bytes | None:
    found = value.get("bytes") if isinstance(value, dict) else value
    return found if isinstance(found, bytes) else None
