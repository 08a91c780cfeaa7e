"""Keep a SHA-256 digest beside each file, so that a flipped bit or a truncated copy is noticed before the file is used.

The digest of `folder/name` is `folder/.digests/name.sha256`, one line as `sha256sum` writes it. The files themselves
do not change, so that other programs can read them. A copy of a folder has the digests too, and can be checked:

    cd results/curated && sha256sum --check .digests/*

Every job records the digests of its outputs and checks those of its inputs (`jobs.job`). A file without a digest, from
an earlier version or from the user, is used unchecked. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# decides whether a file is used, not what is computed from it
CHANGES_NO_RESULT = True

FOLDER, SUFFIX = ".digests", ".sha256"
LINE = re.compile(r"([0-9a-f]{64})  .+")

# file → its state when this process last hashed it, so that an unchanged file is not hashed again
_whole: dict[str, tuple[int, ...]] = {}


def digest_path(path: str | os.PathLike) -> Path:
    """The path of a file's digest."""
    path = Path(path)
    return path.parent / FOLDER / (path.name + SUFFIX)


def forget_digests(paths: Iterable[str | os.PathLike]) -> None:
    """Delete the digests of files that are about to be rewritten."""
    for path in paths:
        _whole.pop(os.path.abspath(path), None)
        digest_path(path).unlink(missing_ok=True)


def record_digests(paths: Iterable[str | os.PathLike]) -> None:
    """Record the digests of files that have just been written. On a full disk they go without, and are not checked."""
    for path in map(Path, paths):
        if not path.is_file() or _known(path):
            continue
        kept = digest_path(path)
        with suppress(OSError):
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(f"{sha256_of(path)}  {path.name}\n", encoding="utf-8")
            _whole[os.path.abspath(path)] = _state(path)


def is_whole(path: str | os.PathLike) -> bool:
    """Whether a file matches its digest; True if it has none, and for a missing file, which its reader reports."""
    path = Path(path)
    if _known(path):
        return True
    try:
        found = LINE.fullmatch(digest_path(path).read_text(encoding="utf-8").rstrip("\n"))
    except (OSError, ValueError):
        return True
    # a truncated digest counts as none: a power failure may leave one
    if not found or not path.is_file():
        return True
    if found[1] != sha256_of(path):
        return False
    _whole[os.path.abspath(path)] = _state(path)
    return True


def _known(path: Path) -> bool:
    return path.is_file() and _whole.get(os.path.abspath(path)) == _state(path) and digest_path(path).exists()


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sha256_of(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
