"""Write files atomically, list the files in folders, and hash files."""

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
SAMPLE_BYTES = 4096  # one page of a disk: reading less takes as long
# files and folders, in lower case, that Synology, QNAP, macOS, Windows and Linux add to a user's folder
SYSTEM_NAMES = frozenset(
    ("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx", "$recycle.bin", "recycler")
    + ("system volume information", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
)


@contextmanager
def atomic_path(path: str | os.PathLike, durable: bool = True, digest: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success, flush it to the disk and rename it into place.

    A process killed at any moment leaves the old file, the new file, or no file, never half of one.

    Args:
        path: the file; its folder is created if it does not exist.
        durable: flush to the disk. Without it, a power failure may leave an empty or damaged file, so it is only for
            files that are checked when they are read.
        digest: record the file's digest beside it (`file_digests`).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays, since numpy and matplotlib choose the format by it; the random part keeps containers apart that
    # share a disk and have equal process ids
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
    """Whether a file or folder is hidden, or has a name in `SYSTEM_NAMES`."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def visible_entries(folder: Path) -> list[Path]:
    """The files and folders in a folder that are not hidden, by name."""
    return sorted(entry for entry in folder.iterdir() if not is_hidden(entry.name))


def overlap(one: str | Path, other: str | Path) -> bool:
    """Whether two paths are the same place, also by a link, or one is inside the other."""
    one, other = Path(one).resolve(), Path(other).resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)


def files_below(folder: str | Path) -> dict[str, Path]:
    """The files below a folder by their paths within it (with `/`), sorted; without hidden and system files.

    Links to folders are followed, as in torchvision's ImageFolder, but each folder is read once. A link to a folder
    above `folder` is not followed: it would add the folders beside `folder`, such as other classes.

    Raises:
        OSError: a folder cannot be read; its files would be missing without a word.
    """
    files: dict[str, Path] = {}
    if not os.path.isdir(folder):
        return files
    above = {*Path(folder).absolute().parents, *Path(folder).resolve().parents}
    seen = {(about.st_dev, about.st_ino) for about in map(os.stat, above)}
    for place, folders, names in os.walk(os.fspath(folder), onerror=_unless_gone, followlinks=True):
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


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def hash_listing(paths: Iterable[str | os.PathLike]) -> str:
    """16 hex digits over names, sizes and samples of the files at and below some paths.

    Modification times do not count, so that a copied folder has the same hash; the samples detect another image of the
    same size. For archives, which may be large, the time counts instead of samples. Hidden files do not count. A
    missing path counts as an empty folder.
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
    """The first, middle and last bytes of a file, or all bytes of a small one; empty if it cannot be read."""
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
