"""Read and write pools: the images of one class of a source, and a record of every candidate.

A pool is two files: a WebDataset shard `{class}.tar` with `{key}.{jpg,png,…}` and `{key}.json` for each image, and
`{class}.jsonl` with one line for each candidate, in order, with the reason if it could not be retrieved. The key is
the first 16 hex digits of the SHA-256 of the image's bytes.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from distillery.jobs import UserError, one_line, require_whole
from distillery.storage.files import atomic_path, atomic_write
from distillery.storage.records import ImageRecord

# first bytes → extension; files in other formats get .bin, and curation drops them with the reason
MAGIC = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
    (b"II+\0", "tif"),  # BigTIFF
    (b"MM\0+", "tif"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xffO\xffQ", "j2k"),
)
MAX_MEMBER_BYTES = 1_000_000_000
# what tarfile, json and the record raise for a damaged or forged shard or file of records
DAMAGE = (tarfile.TarError, LookupError, EOFError, ValueError, TypeError, OSError, OverflowError, RecursionError)
KEY_LENGTH = 16  # hex digits
MAGIC_BYTES = 32  # of a file, enough for `extension` to recognize its format


def image_key(data: bytes) -> str:
    """The name of an image in its shard: the first 16 hex digits of the SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()[:KEY_LENGTH]


def extension(data: bytes) -> str:
    """jpg, png, gif, bmp, webp, tif, avif, jp2 or j2k by the first bytes, else bin."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and b"avi" in data[8:MAGIC_BYTES]:  # the major or a compatible brand is avif or avis
        return "avif"
    return next((name for magic, name in MAGIC if data.startswith(magic)), "bin")


def write_pool(shard: str | Path, records: str | Path, entries: Iterable[tuple[ImageRecord, bytes | None]]) -> int:
    """Write a pool; each of its two files is written atomically.

    Args:
        shard: the `.tar` to write; images with the same bytes are stored once.
        records: the `.jsonl` to write.
        entries: every record in order, with its bytes if it was retrieved.

    Returns:
        Number of images in the shard.
    """
    written: set[str] = set()
    lines = []
    with atomic_path(shard, digest=True) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for record, data in entries:
                text = record.to_json()
                lines.append(text)
                if data is None or record.key in written:
                    continue
                written.add(record.key)
                _add(tar, f"{record.key}.{extension(data)}", data)
                _add(tar, f"{record.key}.json", text.encode())
        atomic_write(records, "".join(line + "\n" for line in lines), digest=True)
    return len(written)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def read_pool(shard: str | Path, records: str | Path) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Read every record of a pool in order, with the image's bytes, or None if it was not retrieved.

    Raises:
        FileNotFoundError: a file does not exist.
        UserError: a file is damaged, or an image does not match its record; the message says to delete both files.
    """
    require_whole([shard, records])
    try:
        # lines end at "\n" only: a title may contain others at which str.splitlines splits, such as U+2028
        with tarfile.open(shard, "r:") as tar, open(records, encoding="utf-8", newline="\n") as lines:
            members = _images(tar)
            for line in lines:
                record = ImageRecord.from_json(line)
                yield record, None if record.failure else _read_image(tar, members, record)
    except FileNotFoundError:
        raise
    except (*DAMAGE, UserError) as error:
        raise UserError(
            f"pool {shard} or {records} is damaged ({one_line(error, 200)}). Delete both and run again; the store keeps"
            " the images."
        ) from error


def read_records(path: str | Path) -> list[ImageRecord]:
    """Read the records of a pool in order, without its images.

    Raises:
        FileNotFoundError: the file does not exist.
        UserError: the file is damaged.
    """
    try:
        with open(path, encoding="utf-8", newline="\n") as lines:
            return [ImageRecord.from_json(line) for line in lines]
    except FileNotFoundError:
        raise
    except (*DAMAGE, UserError) as error:
        raise UserError(
            f"records {path} are damaged ({one_line(error, 200)}). Delete the pool and run again; the store keeps the"
            " images."
        ) from error


def read_images(shard: str | Path, keys: Iterable[str]) -> dict[str, bytes]:
    """Read the bytes of some images of a shard, by their keys; keys that it lacks are left out.

    Raises:
        FileNotFoundError: the shard does not exist.
        UserError: the shard is damaged or not a tar.
    """
    require_whole([shard])
    wanted = set(keys)
    try:
        with tarfile.open(shard, "r:") as tar:
            members = _images(tar)
            return {key: _read_plain(tar, members[key]) for key in sorted(wanted & members.keys())}
    except FileNotFoundError:
        raise
    except DAMAGE as error:
        raise UserError(
            f"pool {shard} is damaged ({one_line(error, 200)}). Delete it and run again; the store keeps the images."
        ) from error


def members_of(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of a tar; a header that points backwards is an error, since it would be read in an endless loop."""
    last = -1
    for member in tar:
        if member.size < 0 or member.offset <= last:
            raise tarfile.ReadError("a member begins before the end of the one before it")
        last = member.offset
        yield member


def _images(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    return {Path(member.name).stem: member for member in members_of(tar) if not member.name.endswith(".json")}


def _read_plain(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    # links may form a circle; a sparse file can be far larger than its data in the tar
    if not member.isreg() or member.issparse() or not (file := tar.extractfile(member)):
        raise tarfile.ReadError(f"{member.name[:80]} is not a plain file")
    if member.size > MAX_MEMBER_BYTES:
        raise tarfile.ReadError(f"{member.name[:80]} has {member.size:,} bytes")
    return file.read()


def _read_image(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], record: ImageRecord) -> bytes:
    if (member := members.get(record.key)) is None:
        raise KeyError(f"no image {record.key}")
    data = _read_plain(tar, member)
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise KeyError(f"{record.key} has other bytes than recorded")
    return data
