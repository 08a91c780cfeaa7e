"""Images that the user already has: a folder or a tar for each class, or one tar with a folder for each class.

Nothing is extracted to the disk, so names in a tar cannot reach outside it; links in a tar are not followed.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from distillery.jobs import UserError, log, progress
from distillery.storage.records import ImageRecord, as_utf8

SIDE_FILES = {".json", ".jsonl", ".txt", ".csv", ".tsv", ".md", ".xml", ".html", ".cls", ".yaml", ".yml", ".ini", ".db"}
MAX_BYTES = 100_000_000  # larger files are no images to train on, and would have to fit into memory


@dataclass(frozen=True)
class Found:
    """A file of a class in a folder or a tar."""

    origin: str  # path within the folder or tar
    size: int  # bytes
    read: Callable[[], bytes]
    read_record: Callable[[], bytes] | None  # of the {key}.json beside it, as WebDataset has it; None without one


def import_folder(source: dict, name: str, label: str) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """The images of one class, in the order of their names.

    An image beside a `{key}.json` from a pool of this program keeps that provenance. Other side files (text, tables)
    and hidden files are skipped. Other files that are no images are left to curation, which drops them with the reason.

    Args:
        source: `path`: a folder of `{class}/…`, a folder of `{class}.tar`, or one `.tar` of `{class}/…`;
            `per_class`: at most so many, 0 for all.
        name: of the source.
        label: the class, which is the name of its folder or tar.

    Returns:
        Every record with its bytes, read as the iterator advances; the record of an unreadable file has a failure.

    Raises:
        UserError: nothing at `path`, a tar that is compressed or damaged, or no image of the class.
    """
    leave_out = ", or leave the class out of the source's `classes`"
    found = find_images(source["path"], label, where=f"source {name}", otherwise=leave_out)
    limit = source["per_class"]
    return _records(found[: limit or None], name, label)


def find_images(path: str | Path, label: str, where: str, otherwise: str = "") -> list[Found]:
    """The files of one class below `path` (see `import_folder`), sorted by name.

    Args:
        path: a folder or a tar.
        label: the class.
        where: how an error names the place in the configuration.
        otherwise: what an error advises besides adding images of the class.

    Raises:
        UserError: as `import_folder`.
    """
    path = Path(path)
    if path.is_file():
        found = _in_tar(path, where, prefix="", label=label)
    elif (path / label).is_dir():
        found = _in_folder(path / label, label)
    elif (path / f"{label}.tar").is_file():
        found = _in_tar(path / f"{label}.tar", where, prefix=f"{label}.tar/")
    elif path.is_dir():
        raise UserError(f"{where}: {path} has neither a folder {label} nor a file {label}.tar. Add one{otherwise}.")
    else:
        raise UserError(f"{where}: there is no {path}. Give `path` a folder of class folders, or a .tar.")
    if not found:
        raise UserError(f"{where}: {path} has no image of class {label}. Add some{otherwise}.")
    return found


def count_images(path: str | Path, labels: Iterable[str]) -> dict[str, int | None]:
    """How many files of each class `find_images` would find; None where a tar cannot be read.

    Args:
        path: an existing folder or tar.
        labels: the classes.
    """
    path, labels = Path(path), list(labels)
    try:
        if path.is_file():  # read once, not for each class
            with tarfile.open(path, "r:") as tar:
                names = ["/".join(_parts(member)) for member in tar if member.isreg()]
            return {
                label: sum(1 for name in set(names) if name.startswith(f"{label}/") and may_be_image(name))
                for label in labels
            }
    except (tarfile.TarError, OSError, EOFError):
        return dict.fromkeys(labels)
    return {label: _count_in_folder(path, label) for label in labels}


def _count_in_folder(path: Path, label: str) -> int | None:
    try:
        return len(find_images(path, label, where=""))
    except UserError:  # no image, or a damaged tar, which its import reports
        return 0 if (path / label).is_dir() else None


def _in_folder(folder: Path, label: str) -> list[Found]:
    files = {f"{label}/{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*") if file.is_file()}
    return [
        Found(
            as_utf8(origin),
            file.stat().st_size,
            file.read_bytes,
            record.read_bytes if (record := files.get(_record_name(origin))) else None,
        )
        for origin, file in sorted(files.items())
        if may_be_image(origin)
    ]


def _in_tar(path: Path, where: str, prefix: str, label: str | None = None) -> list[Found]:
    members: dict[str, tarfile.TarInfo] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                parts = _parts(member)
                if member.isreg() and (label is None or (len(parts) > 1 and parts[0] == label)):
                    members["/".join(parts)] = member
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(
            f"{where}: {path} cannot be read as a plain .tar ({error}). Decompress it, or make it again with tar -cf."
        ) from error
    return [
        Found(
            as_utf8(prefix + inner),
            member.size,
            _reader(path, member),
            _reader(path, record) if (record := members.get(_record_name(inner))) else None,
        )
        for inner, member in sorted(members.items())
        if may_be_image(inner)
    ]


def _parts(member: tarfile.TarInfo) -> list[str]:
    return [part for part in PurePosixPath(member.name).parts if part not in (".", "/")]


def _reader(path: Path, member: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with open(path, "rb") as file:
            file.seek(member.offset_data)
            data = file.read(member.size)
        if len(data) < member.size:
            raise OSError("truncated")
        return data

    return read


def _record_name(origin: str) -> str:
    return str(PurePosixPath(origin).with_suffix(".json"))


def may_be_image(origin: str) -> bool:
    """Whether a file is neither hidden, as macOS hides too, nor a side file by its suffix."""
    path = PurePosixPath(origin)
    return not any(part.startswith((".", "__MACOSX")) for part in path.parts) and path.suffix.lower() not in SIDE_FILES


def _records(found: list[Found], name: str, label: str) -> Iterator[tuple[ImageRecord, bytes | None]]:
    for rank, file in enumerate(progress(found, label=f"importing {label}", unit="image")):
        record = replace(_provenance(file), source=name, label=label, kind="folder", origin=file.origin, rank=rank)
        try:
            data = file.read() if file.size <= MAX_BYTES else None
        except OSError as error:
            log.info("%s cannot be read: %s", file.origin, error)
            yield replace(record, failure="unreadable"), None
            continue
        if data is None:
            yield replace(record, failure="too large"), None
            continue
        digest = hashlib.sha256(data).hexdigest()
        yield replace(record, key=digest[:16], sha256=digest, bytes=len(data)), data


def _provenance(file: Found) -> ImageRecord:
    """The record beside a file; an empty one if there is none or another program wrote it."""
    empty = ImageRecord(source="", label="", kind="folder", origin="")
    if file.read_record is None:
        return empty
    try:
        known = ImageRecord.from_json(as_utf8(ImageRecord.from_json(file.read_record()).to_json()))
    except (OSError, ValueError, TypeError, UserError):
        return empty
    return replace(known, key="", sha256="", bytes=0, failure="")
