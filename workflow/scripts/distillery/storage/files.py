"""Files written whole or not at all, and hashes of their contents."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# decides how bytes reach the disk, not which bytes
CHANGES_NO_RESULT = True


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success, flush it to the disk and rename it into place.

    A process killed at any moment leaves the old file, the new file, or no file, never half of one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays: numpy and matplotlib choose the format by it
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def hash_files(paths: Iterable[str | os.PathLike]) -> str:
    """16 hex digits over the names and contents of files."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def hash_listing(paths: Iterable[str | os.PathLike]) -> str:
    """16 hex digits over names and sizes of the files at and below some paths; a missing path counts as empty.

    Modification times do not count, since a copied folder is the same folder. Those of tars do, since a tar of other
    images may have the same size. Hidden files, such as macOS's `.DS_Store`, do not count.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        for file in sorted([path, *path.rglob("*")]):
            name = file.relative_to(path)
            if file.is_file() and not any(part.startswith(".") for part in name.parts):
                seen = file.stat()
                time = seen.st_mtime_ns if file.suffix == ".tar" else ""
                digest.update(f"{name}\0{seen.st_size}\0{time}\0".encode(errors="surrogateescape"))
        digest.update(b"\0")
    return digest.hexdigest()[:16]
