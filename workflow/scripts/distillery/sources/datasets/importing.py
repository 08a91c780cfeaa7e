"""Import the images of a class from a data set in the Hugging Face hub's format."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from distillery.sources.datasets.dataset_files import DatasetSplit, hub_files, local_parts, parts_of
from distillery.sources.datasets.parquet_images import Columns, read_images_at, rows_of_class
from distillery.sources.folders.importing import MAX_BYTES, up_to
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import extension
from distillery.storage.retrieved.source_checks import SourceCheck, now


def import_dataset(
    source: Mapping[str, Any], name: str, label: str, can_be_decoded: Callable[[bytes], bool]
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """The images of one class, in the order of the data set.

    Args:
        source: as configured: which data set, split and columns; `per_class` as for `import_folder`.
        name: of the source.
        label: the class.
        can_be_decoded: whether bytes are an image that curation can read.

    Returns:
        Every record with its bytes, read as the iterator advances; None instead of bytes that are not an image.

    Raises:
        UserError: there is no such data set, split, column or label.
        Refusal: the data set is gated, or the hub does not answer.
    """
    where = f"source {name}"
    split, columns = DatasetSplit.of(source), Columns.of(source)
    rows = rows_of_class(parts_of(split, where), label, columns, where)
    found = (
        (part, image) for part, numbers in rows if numbers for _, image in read_images_at(part, numbers, columns, where)
    )
    page = "" if split.is_local else f"https://huggingface.co/datasets/{split.dataset}"
    entries = (
        _entry(
            ImageRecord(
                name, label, "huggingface", image.origin, rank, page=page, revision=part.commit, license=part.license
            ),
            image.data,
        )
        for rank, (part, image) in enumerate(found)
    )
    return up_to(entries, source["per_class"], can_be_decoded, f"{where}, class {label}")


def _entry(record: ImageRecord, data: bytes | None) -> tuple[ImageRecord, bytes | None]:
    if data is None:
        return replace(record, failure="no bytes in the data set"), None
    if len(data) > MAX_BYTES:
        return replace(record, failure="too large"), None
    if extension(data) == "bin":
        return replace(record, failure="not an image"), None
    digest = hashlib.sha256(data).hexdigest()
    return replace(record, key=digest[:16], sha256=digest, bytes=len(data)), data


def check_dataset(source: Mapping[str, Any], name: str) -> SourceCheck:
    """Check that a data set is available and has the split, without downloading it.

    Raises: as `import_dataset`.
    """
    split, where = DatasetSplit.of(source), f"source {name}"
    if split.is_local:
        local_parts(split, where)
    else:
        hub_files(split, where)
    return SourceCheck(name, "ok", when=now())
