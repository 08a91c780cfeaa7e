"""Keep every image that a source has retrieved in a store, outside the files that the workflow declares.

So a job that was killed, or whose queries changed, retrieves only what is missing.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distillery.jobs import UserError
from distillery.storage.files import atomic_write, flush_to_disk
from distillery.storage.records import ImageRecord

FLUSH_FILES, FLUSH_SECONDS = 128, 10.0  # files are flushed to the disk together


class Store:
    """The images retrieved so far, each under its identity: the URL, or the hash of its generation parameters.

    An entry is two files. The bytes are written first, then the record, each atomically, so an entry with a record is
    complete. A failure can be kept too, as a record without bytes.

    Nothing is lost when the process is killed. After a power failure, entries of the last `FLUSH_SECONDS` may be
    damaged; `get` detects that by their hash, and they are retrieved again.

    Args:
        root: the folder.
        most: maximum size of all images in bytes; 0 for no limit.
        free: bytes that must stay free on its disk.
    """

    def __init__(self, root: str | Path, most: int = 0, free: int = 0):
        self.root, self.most, self.free = Path(root), most, free
        self._lock = threading.Lock()
        self._unflushed: list[Path] = []
        self._flushed = time.monotonic()
        # hidden files are incomplete: another job may be writing them
        kept = (file for file in self.root.rglob("*.bin") if not file.name.startswith("."))
        self._held = sum(map(_size, kept)) if most else 0

    @classmethod
    def of(cls, root: str | Path, source: Mapping[str, Any]) -> Store:
        """The store of a configured source, with its limits."""
        return cls(root, source.get("max_store_bytes", 0), source.get("min_free_bytes", 0))

    def _path(self, identity: str) -> Path:
        name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        return self.root / name[:2] / f"{name}.json"

    def get(self, identity: str) -> tuple[ImageRecord, bytes | None] | None:
        """The entry of `identity`; None if it is missing or damaged, so that the caller retrieves it again."""
        path = self._path(identity)
        if not path.exists():
            return None
        try:
            text, _, digest = path.read_text(encoding="utf-8").partition("\n")
            if digest and digest != _hash(text):  # entries of version 0.1 have none
                return None
            record = ImageRecord.from_json(text)
            if record.failure:
                return record, None
            data = path.with_suffix(".bin").read_bytes()
        except (OSError, ValueError, TypeError, UserError):
            return None
        return (record, data) if hashlib.sha256(data).hexdigest() == record.sha256 else None

    def put(self, identity: str, record: ImageRecord, data: bytes | None) -> None:
        """Write an entry, in place of an older one if there is one.

        Raises:
            UserError: the store would exceed its limit, or leave too little space free on the disk.
        """
        path = self._path(identity)
        image = path.with_suffix(".bin")
        if data is not None and not (_size(image) == len(data) and image.read_bytes() == data):
            self._make_room(len(data) - _size(image))
            atomic_write(image, data, durable=False)
            self._flush_later(image)
        text = record.to_json()
        atomic_write(path, f"{text}\n{_hash(text)}", durable=False)
        self._flush_later(path)

    def _flush_later(self, path: Path) -> None:
        """Flush a file together with others, in a background thread."""
        with self._lock:
            self._unflushed.append(path)
            late = time.monotonic() - self._flushed > FLUSH_SECONDS
            if len(self._unflushed) < FLUSH_FILES and not late:
                return
            batch, self._unflushed, self._flushed = self._unflushed, [], time.monotonic()
        threading.Thread(target=_flush, args=(batch,), name="flush", daemon=True).start()

    def _make_room(self, size: int) -> None:
        """Reserve `size` bytes more (negative where a smaller image replaces one), or raise if there is no room."""
        with self._lock:
            if self.most and self._held + size > self.most:
                raise UserError(
                    f"store {self.root} would hold more than {self.most:,} bytes; what was retrieved is kept. Raise the"
                    " source's max_store_bytes, or delete what is no longer needed."
                )
            self._held += size
        if not self.free:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.root).free - size < self.free:
            raise UserError(
                f"disk: store {self.root} would leave less than {self.free:,} bytes free; what was retrieved is kept."
                " Make room, or lower the source's min_free_bytes."
            )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _size(file: Path) -> int:
    """Size of a file in bytes, 0 if there is none."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _flush(files: Sequence[Path]) -> None:
    for file in files:
        with suppress(OSError):  # deleted in the meantime; the writer reports a full disk
            flush_to_disk(file)
