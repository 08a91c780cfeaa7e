"""Curate a source: decode the images of its pools, drop corrupt and duplicate ones, and record the reasons.

The kept images are a uint8 array `[N, S, S, 3]`. The curated table has one row per candidate. A reason is a fixed
phrase, so that reasons can be counted; details follow after a colon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.curation.decoding import Rejected, decode, to_square
from distillery.curation.duplicates.keypoints import Fingerprint, fingerprint
from distillery.curation.duplicates.near_duplicates import NearDuplicates, find_near_duplicates, is_near_duplicate
from distillery.curation.duplicates.star_groups import star_centers
from distillery.curation.kinds.classifier import find_kinds
from distillery.curation.kinds.statistics import NAMES, image_statistics
from distillery.curation.losses import loss_line, warn_of_dropped
from distillery.curation.pixel_file import PixelFile
from distillery.curation.thumbnails import Thumbnails, stack_thumbnails, to_thumbnail
from distillery.jobs import OUTCOME, log, progress
from distillery.parallel import in_processes
from distillery.storage.arrays import write_array, write_rows
from distillery.storage.files import atomic_path
from distillery.storage.parquet import write_parquet
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import read_pool

CURATED_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("class", pa.string()),
        ("key", pa.string()),  # first 16 hex digits of sha256; empty if not retrieved
        ("kept", pa.bool_()),
        ("reason", pa.string()),  # why not kept; empty if kept
        ("row", pa.int32()),  # in the array of images; -1 if not kept
        ("sha256", pa.string()),
        ("thumb_width", pa.int16()),  # pixels of the thumbnail; 0 if not decoded
        ("thumb_height", pa.int16()),
        ("width", pa.int32()),  # pixels, as retrieved
        ("height", pa.int32()),
        ("format", pa.string()),
        ("duplicate_of", pa.string()),  # key of the image that it duplicates, or whose label conflicts with its own
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
        ("image_kind", pa.string()),  # see `kinds.classifier.KINDS`; empty if not kept
        ("photo_score", pa.float32()),  # probability that it is a photo, 0 to 1; -1 if not kept
        ("clip_score", pa.float32()),  # CLIP's probability of the class, 0 to 1; -1 if the source has no scorer
    ]
)
# columns that are fields of the image's record
RECORD_COLUMNS = (
    *("source", "key", "sha256", "kind", "origin", "url", "page", "query", "prompt", "seed", "model"),
    *("license", "creator", "title", "rank", "clip_score"),
)

DECODE_SECONDS = 30.0  # limit of CPU time for one image; 50 million pixels need a few seconds
SAME_COLOR = 10.0  # largest difference of mean colors in gray levels of 255; recompressed copies differ by at most 3


@dataclass
class Candidate:
    """A candidate and the results of its curation.

    Attributes:
        reason: why it is dropped; empty if it is kept.
        pixels: uint8 [S, S, 3]; None after they have been moved into a `PixelFile`, or if the image cannot be used.
        place: index of its pixels in that file; -1 without pixels.
        color: mean red and mean blue relative to mean green, in gray levels.
        thumbnail: uint8 [H, W]; None if the image cannot be used.
        print: fingerprint of the thumbnail; None without one.
        width, height: of the file, in pixels.
        format: of the file.
        duplicate_of, image_kind, photo_score: see `CURATED_SCHEMA`.
    """

    record: ImageRecord
    reason: str = ""
    pixels: np.ndarray | None = None
    place: int = -1
    color: tuple[float, float] = (0.0, 0.0)
    thumbnail: np.ndarray | None = None
    print: Fingerprint | None = None
    width: int = 0
    height: int = 0
    format: str = ""
    duplicate_of: str = ""
    image_kind: str = ""
    photo_score: float = -1.0


def curate(
    pools: Sequence[tuple[str | Path, str | Path]],
    pixels: str | Path,
    thumbnails: str | Path,
    table: str | Path,
    *,
    side: int,
    min_side: int,
    duplicates: str = "drop",
    processes: int = 1,
) -> None:
    """Decode, deduplicate and resize all images of a source, and write them with their table.

    Warns of each class that loses half of its images or more.

    The resized images are kept in a temporary file beside the output, because those of a large source may not fit into
    memory. Thumbnails and hashes stay in memory, 12 kB per image.

    Args:
        pools: shard (`.tar`) and records (`.jsonl`) of each class.
        pixels: the `.npy` to write: the kept images, uint8 [N, S, S, 3].
        thumbnails: the `.thumbs.npy` to write: thumbnails of the kept images, see `thumbnails.Thumbnails`.
        table: the `.parquet` to write, with the columns of `CURATED_SCHEMA`.
        side: S, the side in pixels of the square images written.
        min_side: pixels; images whose shorter side is smaller are dropped.
        duplicates: "drop" to keep one of several near-duplicates, "off" to drop only exact copies.
        processes: number of processes that decode.

    Raises:
        UserError: a pool is damaged.
    """
    decoded = in_processes(
        partial(curate_image, min_side=min_side, side=side), _entries(pools), processes, DECODE_SECONDS, _overdue
    )
    with PixelFile(Path(pixels).parent, side) as resized:
        candidates = [_moved_into(resized, candidate) for candidate in decoded]
        _drop_and_report(candidates, duplicates, processes)
        kept = [candidate for candidate in candidates if not candidate.reason]
        images = resized.read()
        _classify_kinds(kept, images)
        with atomic_path(pixels, digest=True) as temporary, atomic_path(thumbnails, digest=True) as small:
            write_rows(temporary, images, [candidate.place for candidate in kept])
            write_array(small, _stacked(kept).pixels)
    write_parquet(table, _columns(candidates), CURATED_SCHEMA)


def _moved_into(file: PixelFile, candidate: Candidate) -> Candidate:
    """The candidate, with its pixels in the file instead of in memory."""
    if candidate.pixels is not None:
        candidate.place = file.append(candidate.pixels)
        candidate.pixels = None
    return candidate


def _drop_and_report(candidates: Sequence[Candidate], duplicates: str, processes: int) -> None:
    """Drop duplicates, and log how many candidates of each class are kept."""
    drop_conflicting_labels(candidates)
    if duplicates == "drop":
        drop_near_duplicates(candidates, processes)
    labels, reasons = [c.record.label for c in candidates], [c.reason for c in candidates]
    if candidates:
        warn_of_dropped(candidates[0].record.source, labels, reasons)
    log.log(OUTCOME, "%s", loss_line(labels, reasons))


def _entries(pools: Iterable[tuple[str | Path, str | Path]]) -> Iterator[tuple[ImageRecord, bytes | None]]:
    """Every record of the pools with its bytes; None instead of bytes that an earlier record had."""
    seen: set[str] = set()
    for shard, records in pools:
        for record, data in progress(read_pool(shard, records), label=f"curating {Path(shard).stem}", unit="images"):
            yield record, None if record.sha256 in seen else data
            seen.add(record.sha256)


def _overdue(entry: tuple[ImageRecord, bytes | None]) -> Candidate:
    """The candidate of an image whose decoding took longer than `DECODE_SECONDS`."""
    return Candidate(entry[0], reason="too slow to decode")


def curate_image(entry: tuple[ImageRecord, bytes | None], min_side: int, side: int) -> Candidate:
    """Decode, fingerprint and resize one image. An image that cannot be used gets a reason instead of pixels."""
    record, data = entry
    if record.failure:
        return Candidate(record, reason=record.failure)
    if data is None:
        return Candidate(record, reason="exact duplicate")
    try:
        image = decode(data, min_side, side)
    except Rejected as rejected:
        return Candidate(record, reason=str(rejected))
    thumbnail, pixels = to_thumbnail(image.gray), to_square(image.image, side)
    return Candidate(
        record,
        pixels=pixels,
        color=_mean_color(pixels),
        thumbnail=thumbnail,
        print=fingerprint(thumbnail),
        width=image.width,
        height=image.height,
        format=image.format,
    )


def drop_conflicting_labels(candidates: Sequence[Candidate]) -> None:
    """Drop files that the source has in two classes: one of the two labels is wrong."""
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


def drop_near_duplicates(candidates: Sequence[Candidate], processes: int = 1) -> None:
    """Keep one of several near-duplicates: the largest; of equally large ones the first.

    Near-duplicates in two classes are both dropped, unless one is mirrored or they differ in color. Classes may differ
    only in these, such as left and right arrows, or red and green fruit.

    Args:
        candidates: in order; sets `reason` and `duplicate_of` of those that are dropped.
        processes: number of processes that compare images.
    """
    usable = [candidate for candidate in candidates if not candidate.reason]
    thumbnails, prints = _stacked(usable), [c.print for c in usable if c.print is not None]
    found = find_near_duplicates(thumbnails, prints, processes=processes)
    _drop_rivals(usable, found)
    same_class = [
        usable[one].record.label == usable[other].record.label and not (usable[one].reason or usable[other].reason)
        for one, other in found.pairs.tolist()
    ]
    order = sorted(range(len(usable)), key=lambda place: (-usable[place].width * usable[place].height, place))
    pairs = found.pairs[np.array(same_class, dtype=bool)]
    centers = star_centers(len(usable), pairs, order, partial(is_near_duplicate, thumbnails, prints))
    for candidate, center_of_group in zip(usable, centers.tolist(), strict=True):
        if usable[center_of_group] is not candidate:
            candidate.reason = "near-duplicate"
            candidate.duplicate_of = usable[center_of_group].record.key


def _drop_rivals(usable: Sequence[Candidate], found: NearDuplicates) -> None:
    """Drop near-duplicates in two classes with the same colors and not mirrored: one of the two labels is wrong."""
    for (one, other), mirror in zip(found.pairs.tolist(), found.is_mirrored.tolist(), strict=True):
        first, second = usable[one], usable[other]
        if first.record.label == second.record.label or mirror or not _same_colors(first, second):
            continue
        for candidate, rival in ((first, second), (second, first)):
            if not candidate.reason:
                candidate.reason = f"conflicting labels: near-duplicate under {rival.record.label}"
                candidate.duplicate_of = rival.record.key


def _same_colors(one: Candidate, other: Candidate) -> bool:
    """Whether the mean colors of two images are the same, apart from brightness."""
    return all(abs(first - second) <= SAME_COLOR for first, second in zip(one.color, other.color, strict=True))


def _mean_color(pixels: np.ndarray) -> tuple[float, float]:
    """Mean red and mean blue of an image (uint8 [S, S, 3]) relative to mean green, in gray levels."""
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0).tolist()
    return red - green, blue - green


def _stacked(candidates: Sequence[Candidate]) -> Thumbnails:
    return stack_thumbnails([c.thumbnail for c in candidates if c.thumbnail is not None])


def _columns(candidates: Sequence[Candidate]) -> dict[str, list]:
    columns = {name: [getattr(c.record, name) for c in candidates] for name in RECORD_COLUMNS}
    for name in ("reason", "width", "height", "format", "duplicate_of", "image_kind", "photo_score"):
        columns[name] = [getattr(c, name) for c in candidates]
    sizes = [(0, 0) if c.thumbnail is None else c.thumbnail.shape for c in candidates]
    columns["thumb_height"], columns["thumb_width"] = map(list, zip(*sizes, strict=True)) if sizes else ([], [])
    columns["class"] = [c.record.label for c in candidates]
    columns["kept"] = [not c.reason for c in candidates]
    rows = iter(range(len(candidates)))
    columns["row"] = [-1 if c.reason else next(rows) for c in candidates]
    return columns


def _classify_kinds(kept: Sequence[Candidate], images: np.ndarray) -> None:
    """Set `image_kind` and `photo_score` of the kept images.

    Args:
        images: uint8 [N, S, S, 3], in which each candidate's `place` is an index.
    """
    # in one loop after decoding, which takes half the time, as code and data stay in the CPU's caches
    statistics = [image_statistics(c.thumbnail, images[c.place]) for c in kept if c.thumbnail is not None]
    kinds, scores = find_kinds(np.array(statistics).reshape(-1, len(NAMES)), [(c.width, c.height) for c in kept])
    for candidate, kind, score in zip(kept, kinds, scores.tolist(), strict=True):
        candidate.image_kind, candidate.photo_score = kind, score
