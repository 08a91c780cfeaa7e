"""Digests beside files: a bit that flips on a disk, or a cut copy, is noticed before the file is used.

The digest of `folder/name` is `folder/.digests/name.sha256`, one line as `sha256sum` writes it. The format of no file
changes, so that other programs read it as before, and the digests are copied along with a folder:

    cd results/curated && sha256sum --check .digests/*

Every job records those of its outputs and checks those of its inputs (`jobs.job`). Files without a digest, of an
earlier version or the user's own, are used as they are. Standard library only.
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

# file → its state when this process last knew it to be whole: nothing is hashed twice
_whole: dict[str, tuple[int, ...]] = {}


def digest_path(path: str | os.PathLike) -> Path:
    """Where the digest of a file is kept."""
    path = Path(path)
    return path.parent / FOLDER / (path.name + SUFFIX)


def forget_digests(paths: Iterable[str | os.PathLike]) -> None:
    """Delete the digests of files that are about to be written anew."""
    for path in paths:
        _whole.pop(os.path.abspath(path), None)
        digest_path(path).unlink(missing_ok=True)


def record_digests(paths: Iterable[str | os.PathLike]) -> None:
    """Keep the digests of files that have just been written. A full disk is no error: they are used unchecked."""
    for path in map(Path, paths):
        if not path.is_file() or _known(path):
            continue
        kept = digest_path(path)
        with suppress(OSError):
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(f"{sha256_of(path)}  {path.name}\n", encoding="utf-8")
            _whole[os.path.abspath(path)] = _state(path)


def is_whole(path: str | os.PathLike) -> bool:
    """Whether a file has the bytes that were written, or has no digest; a missing file is for its reader to report."""
    path = Path(path)
    if _known(path):
        return True
    try:
        found = LINE.fullmatch(digest_path(path).read_text(encoding="utf-8").rstrip("\n"))
    except (OSError, ValueError):
        return True
    # a digest that is cut is none: a power failure may leave it so
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
