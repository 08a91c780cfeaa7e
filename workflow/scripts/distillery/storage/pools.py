"""Pools of images: what was offered, what was retrieved, and where each image came from.

A pool is two files a class: a WebDataset shard `{class}.tar` with `{key}.{jpg,png,…}` and `{key}.json` per image, and
`{class}.jsonl` with one line per candidate, in order, failures with their reason. The key is the first 16 hex
digits of the bytes' sha256.

A store is a folder outside the workflow's declared outputs that keeps every image already retrieved, so that a job
that was killed, or whose queries changed, retrieves only what is missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from distillery.jobs import UserError
from distillery.storage.files import atomic_path, atomic_write

# magic bytes → extension; what is none of these is kept as .bin and dropped at curation, with the reason
MAGIC = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
)


@dataclass(frozen=True)
class ImageRecord:
    """One candidate for a class, and what became of it (its provenance).

    `origin` identifies it within its source: a URL, a path, or the generation parameters' hash. `failure` is empty
    for an image that was retrieved; then `key`, `sha256` and `bytes` describe it.
    """

    source: str
    label: str  # the class it was asked for
    kind: str  # google, bing, urls, diffusion, folder
    origin: str
    rank: int = -1  # position in the order offered, from 0
    key: str = ""
    sha256: str = ""
    bytes: int = 0
    failure: str = ""
    retrieved: str = ""  # UTC, ISO 8601
    # found on the web
    query: str = ""
    url: str = ""
    page: str = ""
    thumbnail: str = ""
    title: str = ""
    declared_width: int = 0  # pixels, as the search says
    declared_height: int = 0
    license: str = ""
    creator: str = ""
    duplicate_queries: tuple[str, ...] = ()  # "class: query" of every other query that gave the same URL
    # generated
    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    revision: str = ""
    seed: int = -1
    steps: int = -1
    guidance: float = -1.0
    size: int = -1  # pixels a side, as generated
    scheduler: str = ""  # empty for the model's own
    dtype: str = ""  # the arithmetic, as computed
    components: tuple[str, ...] = ()  # parts of the pipeline left out
    quality: int = -1  # of the JPEG
    clip_scorer: str = ""  # who scored it, and among which classes
    clip_score: float = -1.0  # its probability of the label, 0 to 1

    @classmethod
    def from_json(cls, text: str | bytes) -> ImageRecord:
        """Read one record; unknown fields are an error, since they would be lost."""
        fields_found = json.loads(text)
        unknown = set(fields_found) - {field.name for field in fields(cls)}
        if unknown:
            raise UserError(f"provenance has unknown fields {sorted(unknown)}; it was written by another version")
        lists = {name: tuple(fields_found.get(name, ())) for name in ("duplicate_queries", "components")}
        record = cls(**{**fields_found, **lists})
        for name in fields_found:  # the rest has defaults
            if not isinstance(getattr(record, name), TYPES[name]):
                raise TypeError(f"provenance: {name} is {fields_found[name]!r}")
        return record

    def to_json(self) -> str:
        """One line of JSON, defaults left out so that it stays readable."""
        default = {field.name: field.default for field in fields(self)}
        found = {name: value for name, value in asdict(self).items() if value != default[name]}
        return json.dumps(found, ensure_ascii=False, sort_keys=True)


# of the fields, by name
TYPES = {
    field.name: {"str": str, "int": int, "float": (int, float)}.get(field.type, tuple) for field in fields(ImageRecord)
}


def as_utf8(text: str) -> str:
    """Text that a file can hold: half a character, from JSON cut inside one or a Latin-1 file name, becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def image_key(data: bytes) -> str:
    """The name of an image: the first 16 hex digits of its bytes' sha256."""
    return hashlib.sha256(data).hexdigest()[:16]


def extension(data: bytes) -> str:
    """jpg, png, gif, bmp, webp by magic bytes, else bin."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in MAGIC if data.startswith(magic)), "bin")


def write_pool(shard: str | Path, records: str | Path, entries: Iterable[tuple[ImageRecord, bytes | None]]) -> int:
    """Write a class's pool, both files whole or not at all.

    Args:
        shard: the `.tar` to write; the same candidate twice is stored once.
        records: the `.jsonl` to write.
        entries: every record in order, with its bytes if it was retrieved.

    Returns:
        Number of images in the shard.
    """
    written: set[str] = set()
    lines = []
    with atomic_path(shard) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for record, data in entries:
                lines.append(record.to_json())
                if data is None or record.key in written:
                    continue
                written.add(record.key)
                _add(tar, f"{record.key}.{extension(data)}", data)
                _add(tar, f"{record.key}.json", record.to_json().encode())
        atomic_write(records, "".join(line + "\n" for line in lines))
    return len(written)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def read_pool(shard: str | Path, records: str | Path) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Every record of a class's pool in order, with the image's bytes or None for a failure.

    Raises:
        UserError: a file is truncated or not what it should be; names it and says to delete it.
    """
    try:
        # lines end at "\n" alone: a title may hold what str.splitlines also takes for an end, as U+2028
        with tarfile.open(shard, "r:") as tar, open(records, encoding="utf-8", newline="\n") as lines:
            where = {Path(m.name).stem: m for m in tar if not m.name.endswith(".json")}
            for line in lines:
                record = ImageRecord.from_json(line)
                if record.failure:
                    yield record, None
                    continue
                data = tar.extractfile(where[record.key]).read()
                if hashlib.sha256(data).hexdigest() != record.sha256:
                    raise KeyError(f"{record.key} has other bytes than recorded")
                yield record, data
    except (tarfile.TarError, KeyError, EOFError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise UserError(
            f"pool {shard} or {records} is damaged ({error}). Delete both and run again; the store keeps the images."
        ) from error


class Store:
    """Everything a source has retrieved so far, by the identity of what was asked for.

    One pair of files an entry: the bytes first, then the record, each renamed into place, so that an entry with a
    record is whole. Failures may be recorded too, with no bytes.

    Args:
        root: the folder.
        most: bytes of images it may hold, 0 for no limit.
        free: bytes that must stay free on its disk.
    """

    def __init__(self, root: str | Path, most: int = 0, free: int = 0):
        self.root, self.most, self.free = Path(root), most, free
        self._lock = threading.Lock()
        # hidden ones are half written, perhaps by another job that uses the store
        kept = (file for file in self.root.rglob("*.bin") if not file.name.startswith("."))
        self._held = sum(map(_size, kept)) if most else 0

    @classmethod
    def of(cls, root: str | Path, source: Mapping[str, Any]) -> Store:
        """The store of a source of the configuration, with its limits."""
        return cls(root, source.get("max_store_bytes", 0), source.get("min_free_bytes", 0))

    def _path(self, identity: str) -> Path:
        name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        return self.root / name[:2] / f"{name}.json"

    def get(self, identity: str) -> tuple[ImageRecord, bytes | None] | None:
        """The entry of `identity`, or None if it is missing or damaged (then it will be retrieved again)."""
        path = self._path(identity)
        if not path.exists():
            return None
        try:
            record = ImageRecord.from_json(path.read_text(encoding="utf-8"))
            if record.failure:
                return record, None
            data = path.with_suffix(".bin").read_bytes()
        except (OSError, ValueError, TypeError, UserError):
            return None
        return (record, data) if hashlib.sha256(data).hexdigest() == record.sha256 else None

    def put(self, identity: str, record: ImageRecord, data: bytes | None) -> None:
        """Keep an entry, replacing an older one.

        Raises:
            UserError: the store would hold too much, or leave too little free.
        """
        path = self._path(identity)
        image = path.with_suffix(".bin")
        if data is not None and not (_size(image) == len(data) and image.read_bytes() == data):
            self._make_room(len(data) - _size(image))
            atomic_write(image, data)
        atomic_write(path, record.to_json())

    def _make_room(self, size: int) -> None:
        """Count `size` bytes more (or less, where an image is replaced by a smaller one), if there is room."""
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


def _size(file: Path) -> int:
    """Bytes of a file, 0 of none."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
