"""Curate a source: decode the images of its pools, drop corrupt and duplicate ones, and record the reason of each drop.

The kept images are a uint8 array `[N, S, S, 3]`; the table beside it has one row per candidate. A reason is a fixed
phrase, with details after a colon, so that reasons can be counted.
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
        ("duplicate_of", pa.string()),  # key of the image that it duplicates, or whose label contradicts its own
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
        ("clip_score", pa.float32()),  # CLIP's probability of the class, 0 to 1; -1 if the source has no scorer
    ]
)
# columns that are fields of the image's record
RECORD_COLUMNS = (
    *("source", "key", "sha256", "kind", "origin", "url", "page", "query", "prompt", "seed", "model"),
    *("license", "creator", "title", "rank", "clip_score"),
)

DECODE_SECONDS = 30.0  # of CPU time for one image; 50 million pixels need a few


@dataclass
class Candidate:
    """A candidate and the results of its curation. `pixels` is uint8 [S, S, 3], or None if it could not be used."""

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
    """Decode, deduplicate and resize all images of a source, and write them with their table.

    Args:
        pools: shard (`.tar`) and records (`.jsonl`) of each class.
        pixels: the `.npy` to write.
        table: the `.parquet` to write, with the columns of `CURATED_SCHEMA`.
        side: S, the side in pixels of the square images written.
        min_side: pixels; images with a shorter side are dropped.
        duplicate_distance: bits of 64; see `drop_near_duplicates`.
        processes: number of processes that decode.

    Raises:
        UserError: a pool is damaged.
    """
    candidates: list[Candidate] = list(
        in_processes(
            partial(curate_image, min_side=min_side, side=side), _entries(pools), processes, DECODE_SECONDS, _overdue
        )
    )
    drop_conflicting_labels(candidates)
    drop_near_duplicates(candidates, duplicate_distance)
    kept = [candidate for candidate in candidates if not candidate.reason]
    log.info("%d of %d candidates are kept", len(kept), len(candidates))
    squares = [c.pixels for c in kept if c.pixels is not None]  # a candidate without a reason has pixels
    array = np.stack(squares) if squares else np.empty((0, side, side, 3), dtype=np.uint8)
    with atomic_path(pixels) as temporary:
        write_array(temporary, array)
    write_parquet(table, _columns(candidates), CURATED_SCHEMA)


def _entries(pools: Iterable[tuple[str | Path, str | Path]]) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Every record of the pools with its bytes; None in place of bytes that came before."""
    seen: set[str] = set()
    for shard, records in pools:
        for record, data in progress(read_pool(shard, records), label=f"curating {Path(shard).stem}", unit="images"):
            yield record, None if record.sha256 in seen else data
            seen.add(record.sha256)


def _overdue(entry: tuple[ImageRecord, bytes | None]) -> Candidate:
    return Candidate(entry[0], reason="too slow to decode")


def curate_image(entry: tuple[ImageRecord, bytes | None], min_side: int, side: int) -> Candidate:
    """Decode, hash and resize one image; an image that cannot be used gets a reason instead of pixels."""
    record, data = entry
    if record.failure:
        return Candidate(record, reason=record.failure)
    if data is None:
        return Candidate(record, reason="exact duplicate")
    try:
        image = decode(data, min_side, side)
    except Rejected as rejected:
        return Candidate(record, reason=str(rejected))
    square = center(image.image)  # hashes of the whole would differ between an image and its own square crop
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
    """Drop images that the source returned under two classes, byte for byte: one of the two labels is wrong."""
    labels: dict[str, set[str]] = {}
    for candidate in candidates:
        if candidate.record.sha256:
            labels.setdefault(candidate.record.sha256, set()).add(candidate.record.label)
    for candidate in candidates:
        if len(classes := labels.get(candidate.record.sha256, set())) > 1:
            candidate.reason = f"conflicting labels: {', '.join(sorted(classes))}"
            candidate.duplicate_of = candidate.record.key
        elif candidate.reason == "exact duplicate":
            candidate.duplicate_of = candidate.record.key


def drop_near_duplicates(candidates: Sequence[Candidate], distance: int) -> None:
    """Keep one of several near-duplicates: images whose hashes, as they are or mirrored, differ in few bits.

    The largest image is kept; of equally large ones, the first. Near-duplicates under two classes are both dropped.

    Args:
        candidates: in order; sets `reason` and `duplicate_of` of those dropped.
        distance: largest number of bits, of 64, by which near-duplicates differ.
    """
    usable = [candidate for candidate in candidates if not candidate.reason]
    views = np.array([(c.phash, c.phash_mirror) for c in usable], dtype=np.uint64).reshape(-1, 2)
    _, labels = np.unique([c.record.label for c in usable], return_inverse=True)
    rivals = first_near_duplicates(views, labels, distance)
    for index in np.flatnonzero(rivals < len(usable)).tolist():
        rival = usable[rivals[index]].record
        usable[index].reason = f"conflicting labels: near-duplicate under {rival.label}"
        usable[index].duplicate_of = rival.key
    repeated = np.flatnonzero(first_near_duplicates(views, np.arange(len(usable)), distance) < len(usable)).tolist()
    order = [index for index in repeated if not usable[index].reason]
    order.sort(key=lambda index: (-usable[index].width * usable[index].height, index))
    for index, better in zip(order, _kept_duplicates(views[order], np.array(order), distance), strict=True):
        if better >= 0:
            usable[index].reason = "near-duplicate"
            usable[index].duplicate_of = usable[better].record.key


def _kept_duplicates(views: np.ndarray, indices: np.ndarray, distance: int) -> Iterator[int]:
    """For each image, the best first: the smallest index of its near-duplicates kept so far; −1 if it is kept itself.

    Args:
        views: uint64 [N, 2], hashes of each image and of its mirror image.
        indices: int [N], by which images are named in the result.
        distance: bits.
    """
    kept, hashes, count = np.empty_like(indices), np.empty_like(views.T, order="C"), 0
    for own, index in zip(views, indices, strict=True):
        # compared with kept images only: of many frames of one scene few are kept
        near = (np.bitwise_count(own[:, None, None] ^ hashes[:, :count]) <= distance).any(axis=(0, 1))
        if near.any():
            yield int(kept[:count][near].min())
            continue
        kept[count], hashes[:, count] = index, own
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
