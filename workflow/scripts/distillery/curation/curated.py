"""From a source's pools to its curated images: what is kept, and for every candidate, why or why not.

Kept images are a uint8 array `[N, S, S, 3]`; the table beside it has one row per candidate. A reason is a fixed
phrase, then after a colon the particulars, so that reasons can be counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.curation.decoding import Rejected, center, decode, to_square
from distillery.curation.duplicates import first_near_duplicates, perceptual_hashes
from distillery.jobs import log, progress
from distillery.parallel import in_processes
from distillery.storage.arrays import write_array
from distillery.storage.files import atomic_path
from distillery.storage.parquet import write_parquet
from distillery.storage.pools import read_pool
from distillery.storage.records import ImageRecord

CURATED_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("class", pa.string()),
        ("key", pa.string()),  # first 16 hex digits of sha256; empty if not retrieved
        ("kept", pa.bool_()),
        ("reason", pa.string()),  # why not kept; empty if kept
        ("row", pa.int32()),  # in the array of images; -1 if not kept
        ("sha256", pa.string()),
        ("phash", pa.uint64()),
        ("phash_mirror", pa.uint64()),
        ("width", pa.int32()),  # pixels, as retrieved
        ("height", pa.int32()),
        ("format", pa.string()),
        ("duplicate_of", pa.string()),  # key of the image it repeats or contradicts
        ("kind", pa.string()),
        ("origin", pa.string()),
        ("url", pa.string()),
        ("page", pa.string()),
        ("query", pa.string()),
        ("prompt", pa.string()),
        ("seed", pa.int64()),
        ("model", pa.string()),
        ("license", pa.string()),
        ("creator", pa.string()),
        ("title", pa.string()),
        ("rank", pa.int32()),
        (
            "clip_score",
            pa.float32(),
        ),  # the probability of the class that the source's own classifier gave it; -1 without one
    ]
)
RECORD_COLUMNS = ("source", "key", "sha256", "kind", "origin", "url", "page", "query", "prompt", "seed", "model")
RECORD_COLUMNS += ("license", "creator", "title", "rank", "clip_score")


@dataclass
class Candidate:
    """An candidate, and what curation found out about it. `pixels` is [S, S, 3], or None if there is none."""

    record: ImageRecord
    reason: str = ""
    pixels: np.ndarray | None = None
    phash: int = 0
    phash_mirror: int = 0
    width: int = 0
    height: int = 0
    format: str = ""
    duplicate_of: str = ""


def curate(
    pools: Sequence[tuple[str | Path, str | Path]],
    pixels: str | Path,
    table: str | Path,
    *,
    side: int,
    min_side: int,
    duplicate_distance: int,
    processes: int = 1,
) -> None:
    """Decode, classifier and resize all images of a source.

    Args:
        pools: shard and records of each class.
        pixels: the `.npy` to write.
        table: the `.parquet` to write, with the columns of `CURATED_SCHEMA`.
        side: S, pixels of the square images written.
        min_side: pixels; an image whose shorter side is less is dropped.
        duplicate_distance: bits of 64; see `drop_near_duplicates`.
        processes: how many decode at a time.

    Raises:
        UserError: a pool is damaged.
    """
    candidates = list(in_processes(partial(curate_image, min_side=min_side, side=side), _entries(pools), processes))
    drop_conflicting_labels(candidates)
    drop_near_duplicates(candidates, duplicate_distance)
    kept = [candidate for candidate in candidates if not candidate.reason]
    log.info("%d of %d candidates are kept", len(kept), len(candidates))
    array = np.stack([c.pixels for c in kept]) if kept else np.empty((0, side, side, 3), dtype=np.uint8)
    with atomic_path(pixels) as temporary:
        write_array(temporary, array)
    write_parquet(table, _columns(candidates), CURATED_SCHEMA)


def _entries(pools: Iterable[tuple[str | Path, str | Path]]) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Every record of the pools; the bytes of an image that came before are not given again."""
    seen: set[str] = set()
    for shard, records in pools:
        for record, data in progress(read_pool(shard, records), label=f"curating {Path(shard).stem}", unit="images"):
            yield record, None if record.sha256 in seen else data
            seen.add(record.sha256)


def curate_image(entry: tuple[ImageRecord, bytes | None], min_side: int, side: int) -> Candidate:
    """Decode, hash and resize one image; what cannot be used gets its reason."""
    record, data = entry
    if record.failure:
        return Candidate(record, reason=record.failure)
    if data is None:
        return Candidate(record, reason="exact duplicate")
    try:
        image = decode(data, min_side, side)
    except Rejected as rejected:
        return Candidate(record, reason=str(rejected))
    square = center(image.image)  # of the whole, an image and its own crop to a square would not be alike
    phash, mirrored = perceptual_hashes(square)
    return Candidate(
        record,
        pixels=to_square(square, side),
        phash=phash,
        phash_mirror=mirrored,
        width=image.width,
        height=image.height,
        format=image.format,
    )


def drop_conflicting_labels(candidates: Sequence[Candidate]) -> None:
    """Drop images that the source gave under two classes, byte for byte: one of the two labels is wrong."""
    labels: dict[str, set[str]] = {}
    for candidate in candidates:
        if candidate.record.sha256:
            labels.setdefault(candidate.record.sha256, set()).add(candidate.record.label)
    for candidate in candidates:
        if len(duplicate_queries := labels.get(candidate.record.sha256, set())) > 1:
            candidate.reason = f"claimed by two classes: {', '.join(sorted(duplicate_queries))}"
            candidate.duplicate_of = candidate.record.key
        elif candidate.reason == "exact duplicate":
            candidate.duplicate_of = candidate.record.key


def drop_near_duplicates(candidates: Sequence[Candidate], distance: int) -> None:
    """Keep one of images whose perceptual hashes, as they are or mirrored, differ in at most `distance` bits.

    The largest is kept, then the first offered. Near-duplicates under two classes are both dropped.
    """
    usable = [candidate for candidate in candidates if not candidate.reason]
    views = np.array([(c.phash, c.phash_mirror) for c in usable], dtype=np.uint64).reshape(-1, 2)
    _, labels = np.unique([c.record.label for c in usable], return_inverse=True)
    rivals = first_near_duplicates(views, labels, distance)
    for index in np.flatnonzero(rivals < len(usable)):
        rival = usable[rivals[index]].record
        usable[index].reason = f"claimed by two classes: near-duplicate under {rival.label}"
        usable[index].duplicate_of = rival.key
    repeated = np.flatnonzero(first_near_duplicates(views, np.arange(len(usable)), distance) < len(usable)).tolist()
    order = [index for index in repeated if not usable[index].reason]
    order.sort(key=lambda index: (-usable[index].width * usable[index].height, index))
    for index, better in zip(order, _better(views[order], np.array(order), distance), strict=True):
        if better >= 0:
            usable[index].reason = "near-duplicate"
            usable[index].duplicate_of = usable[better].record.key


def _better(views: np.ndarray, names: np.ndarray, distance: int) -> Iterator[int]:
    """For each image, best first, the least name of those kept before it that it repeats; −1 if it is kept itself."""
    kept, hashes, count = np.empty_like(names), np.empty_like(views.T, order="C"), 0
    for own, name in zip(views, names, strict=True):
        # with those kept only: of many frames of one scene these are few
        near = (np.bitwise_count(own[:, None, None] ^ hashes[:, :count]) <= distance).any(axis=(0, 1))
        if near.any():
            yield int(kept[:count][near].min())
            continue
        kept[count], hashes[:, count] = name, own
        count += 1
        yield -1


def _columns(candidates: Sequence[Candidate]) -> dict[str, list]:
    columns = {name: [getattr(c.record, name) for c in candidates] for name in RECORD_COLUMNS}
    for name in ("reason", "phash", "phash_mirror", "width", "height", "format", "duplicate_of"):
        columns[name] = [getattr(c, name) for c in candidates]
    columns["class"] = [c.record.label for c in candidates]
    columns["kept"] = [not c.reason for c in candidates]
    rows = iter(range(len(candidates)))
    columns["row"] = [-1 if c.reason else next(rows) for c in candidates]
    return columns
