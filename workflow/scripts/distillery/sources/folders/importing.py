"""Import a class's images that the user already has, with their provenance if they are in a pool of this program."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distillery.config.choices import UNLABELED
from distillery.jobs import UserError, log, progress
from distillery.sources.folders.finding import Found, find_images, find_unlabeled
from distillery.sources.folders.names import is_unread, suffix_of
from distillery.sources.license_notes import license_of
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import extension

MAX_BYTES = 100_000_000  # larger files are not useful for training, and would have to fit into memory


def import_folder(
    source: Mapping[str, Any], name: str, label: str, can_be_decoded: Callable[[bytes], bool]
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """The images of one class, in the order of their names.

    An image beside a `{key}.json` from a pool of this program keeps that provenance. Others get the license that the
    folder or archive states, if it states one.

    Args:
        source: `path` and `inside`, as for `find_images`; `per_class`, the number of different images that can be
            decoded, 0 for all. Unusable files before the last of these images have a record too.
        name: of the source.
        label: the class, which is the name of its folder or archive; `unlabeled` for all images in all folders.
        can_be_decoded: whether bytes are an image that curation can read.

    Returns:
        Every record with its bytes, read as the iterator advances. A file that cannot be read, or is not an image, has
        a record with a failure, and None for bytes.

    Raises:
        UserError: `path` does not exist, an archive is compressed or damaged, or the class has no image.
    """
    path, inside, where = source["path"], source.get("inside", ""), f"source {name}"
    license = license_of(path, inside)
    if label == UNLABELED:
        return _records(find_unlabeled(path, where, inside), name, label, license)
    leave_out = ", or leave the class out of the source's `classes`"
    entries = _records(find_images(path, label, where, leave_out, inside), name, label, license)
    return up_to(entries, source["per_class"], can_be_decoded, f"{where}, class {label}")


def up_to(
    entries: Iterator[tuple[ImageRecord, bytes | None]], limit: int, can_be_decoded: Callable[[bytes], bool], where: str
) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """The entries up to the one that completes `limit` different images; all entries if `limit` is 0."""
    different: set[str] = set()  # sha256
    for record, data in entries:
        yield record, data
        if limit and data is not None and record.sha256 not in different and can_be_decoded(data):
            different.add(record.sha256)
            if len(different) == limit:
                return
    if limit:
        log.warning("%s: %d different images of %d requested", where, len(different), limit)


def _records(found: Sequence[Found], name: str, label: str, license: str) -> Iterator[tuple[ImageRecord, bytes | None]]:
    for rank, file in enumerate(progress(found, label=f"importing {label}", unit="image")):
        known = _provenance(file)
        if not (known.url or known.prompt):  # images from the web or a model have other licenses than the folder
            known = replace(known, license=known.license or license)
        record = replace(known, source=name, label=label, kind="folder", origin=file.origin, rank=rank)
        try:
            data = _read(file)
        except ValueError as failure:
            yield replace(record, failure=str(failure)), None
            continue
        digest = hashlib.sha256(data).hexdigest()
        yield replace(record, key=digest[:16], sha256=digest, bytes=len(data)), data


def _read(file: Found) -> bytes:
    """The bytes of a file; the message of a ValueError is the failure that the tables show."""
    if is_unread(file.origin):
        raise ValueError(f"format not read: {suffix_of(file.origin)}")
    if file.size > MAX_BYTES:
        raise ValueError("too large")
    try:
        data = file.read()
    except OSError as error:
        log.info("%s cannot be read: %s", file.origin, error)
        raise ValueError("unreadable") from error
    if extension(data) == "bin":
        raise ValueError("not an image")
    return data


def _provenance(file: Found) -> ImageRecord:
    """The record beside a file; an empty record if there is none, or if another program wrote it."""
    empty = ImageRecord(source="", label="", kind="folder", origin="")
    if file.read_record is None:
        return empty
    try:
        known = ImageRecord.from_json(file.read_record())
    except (OSError, ValueError, TypeError, UserError):
        return empty
    return replace(known, key="", sha256="", bytes=0, failure="")
