"""Files written whole or not at all, and hashes of their contents."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distillery.file_digests import forget_digests, record_digests

# decides how bytes reach the disk, not which bytes
CHANGES_NO_RESULT = True

ARCHIVES = (".tar", ".zip")
SAMPLE_BYTES = 4096  # a disk's page: fewer cost as much
# Synology, QNAP, macOS, Windows and Linux
SYSTEM_NAMES = frozenset(
    ("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx", "$recycle.bin", "recycler")
    + ("system volume information", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
)


@contextmanager
def atomic_path(path: str | os.PathLike, durable: bool = True, digest: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success, flush it to the disk and rename it into place.

    A process killed at any moment leaves the old file, the new file, or no file, never half of one. Without `durable`
    the same holds of a kill, but after a power failure the file may be empty or damaged: only for files that are
    checked when they are read. With `digest`, the file's digest is kept beside it (`file_digests`).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays: numpy and matplotlib choose the format by it
    # containers that share a disk may have the same numbers of processes
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        if durable:
            flush_to_disk(temporary)
        if digest:
            forget_digests([path])  # a process killed between these lines leaves a file without one
        os.replace(temporary, path)
        if digest:
            record_digests([path])
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def flush_to_disk(path: str | os.PathLike) -> None:
    """Return once a file's bytes would survive a power failure."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def atomic_write(path: str | os.PathLike, data: bytes | str, durable: bool = True, digest: bool = False) -> None:
    """Write `data` (text as UTF-8) to `path`, whole or not at all; `durable` and `digest` as in `atomic_path`."""
    with atomic_path(path, durable, digest) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def hash_files(paths: Iterable[str | os.PathLike]) -> str:
    """16 hex digits over the names and contents of files."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system makes beside a user's files."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def files_below(folder: str | Path) -> dict[str, Path]:
    """The files below a folder by their paths within it (with `/`), sorted; none of hidden and system folders.

    Links are followed as torchvision's ImageFolder does, but each folder once, and none to a folder above `folder`: it
    would bring in what lies beside it, such as the other classes.
    """
    files: dict[str, Path] = {}
    if not os.path.isdir(folder):
        return files
    above = {*Path(folder).absolute().parents, *Path(folder).resolve().parents}
    seen = {(about.st_dev, about.st_ino) for about in map(os.stat, above)}
    for place, folders, names in os.walk(os.fspath(folder), followlinks=True):
        about = os.stat(place)
        if (about.st_dev, about.st_ino) in seen:
            folders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for path in (Path(place, name) for name in names if not is_hidden(name)):
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path
    return dict(sorted(files.items()))


def hash_listing(paths: Iterable[str | os.PathLike]) -> str:
    """16 hex digits over names, sizes and samples of the files at and below some paths; a missing path is empty.

    Modification times do not count, since a copied folder is the same folder; the samples notice another image of the
    same size. Of archives, which may be large, the time counts instead. Hidden files do not count.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        files = {".": path} if path.is_file() else files_below(path)
        for name, file in files.items():
            seen = file.stat()
            archive = file.suffix in ARCHIVES
            digest.update(
                f"{name}\0{seen.st_size}\0{seen.st_mtime_ns if archive else ''}\0".encode(errors="surrogateescape")
            )
            digest.update(b"" if archive else _sample(file, seen.st_size))
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _sample(file: Path, size: int) -> bytes:
    """The first, middle and last bytes of a file, all of a small one; none of one that cannot be read."""
    try:
        with open(file, "rb", buffering=0) as opened:
            if size <= 3 * SAMPLE_BYTES:
                return opened.read()
            pieces = []
            for start in (0, (size - SAMPLE_BYTES) // 2, size - SAMPLE_BYTES):
                opened.seek(start)
                pieces.append(opened.read(SAMPLE_BYTES))
            return b"".join(pieces)
    except OSError:
        return b""
