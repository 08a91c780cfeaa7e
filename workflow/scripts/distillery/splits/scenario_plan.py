"""Plan a scenario: choose its train and validation images, on which its trainings depend.

Test images are only in `splits.parquet`, not in the plan. So more test images do not repeat any training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from distillery.jobs import UserError, log
from distillery.splits.candidates import shuffled_rank
from distillery.splits.left_out import (
    find_flagged,
    find_other_kinds,
    warn_of_losses,
    warn_of_other_kinds,
    warn_of_rare_classes,
)
from distillery.splits.planned_images import TRAINED
from distillery.splits.refused_sources import read_refusals, refusals_text
from distillery.splits.shortfall import FLAGGED, IN_OTHER_SOURCE, LINKING, OTHER_KIND, UNUSED, ShortfallReport
from distillery.storage.arrays import map_pixels
from distillery.storage.parquet import read_metadata, read_parquet, write_parquet

PLAN_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("label", pa.int16()),
        ("split", pa.string()),  # train, val
        ("augmented", pa.bool_()),  # an altered copy of the same image
    ]
)
# keys of a plan's metadata
NOT_RUN = "not_run"  # if the scenario is not run: the reason in words
PIXELS = "pixels"  # a hash of the pixels of its train and validation images
NO_AUDITS: Mapping[str, str | Path] = MappingProxyType({})
NO_PARENTS: Mapping[str, str] = MappingProxyType({})
AT_A_TIME = 256  # images read at once


def not_run_reason(plan: str | Path) -> str:
    """Why a scenario is not run, such as `google refused (captcha)`; empty if it is run. Needs no pandas or torch."""
    return read_metadata(plan).get(NOT_RUN, "")


def plan_scenario(
    splits: str | Path,
    output: str | Path,
    *,
    scenario: str,
    train: Mapping[str, int],
    classes: Mapping[str, Sequence[str]],
    common: Sequence[str],
    augmented: bool,
    shortfall: str,
    generated: Sequence[str] = (),
    audits: Sequence[str | Path] = (),
    own_tests: Mapping[str, str | Path] = NO_AUDITS,
    kinds: Sequence[str] = (),
    tables: Sequence[str | Path] = (),
    curation: Mapping[str, int] | None = None,
    refusals: str | Path | None = None,
    tuned: bool = False,
    pixels: Mapping[str, str | Path] | None = None,
    parents: Mapping[str, str] = NO_PARENTS,
    draw: int = 0,
    any_class: Sequence[str] = (),
    limits: Mapping[str, int] | None = None,
) -> None:
    """Choose the train and validation images of a scenario, and write its plan.

    A scenario is not run if a source that it trains on refused one of its classes, or if it has no test images. Its
    plan then has no rows, and the reason is in the plan's metadata.

    Train images are taken by rank, so that in each draw the images of a smaller scenario are among those of a larger
    one. The validation and test images are all those of the common sources and of the classes that the scenario trains
    on.

    Args:
        splits: split table, written by `split_images` or `split_derived_images`.
        output: the `.parquet` to write, with the columns of `PLAN_SCHEMA`: train rows first, then validation.
        scenario: its name, for messages.
        train: number of train images of each source, in total.
        classes: the classes of each source.
        common: sources of the common test set.
        augmented: whether to add an altered copy of every train image.
        shortfall: "error", or "shrink" to use the largest balanced set.
        generated: sources that yield to others. If several sources of the scenario have near-duplicates of one image,
            the scenario trains on those of only one source: a source that is not in this list comes first, then the
            order in `train` decides.
        audits: tables of the label audit. The scenario does not train on images flagged there as label issues, and a
            warning appears if these are a large part of a class.
        own_tests: by source the same audit of the teacher's own test images, for that warning.
        kinds: kinds of images to train on, as in the curated tables; empty for all.
        tables: curated tables of the sources in `train`, in that order.
        curation: the configuration's section `curation`, for messages about dropped images.
        refusals: written by `split_images`; None if no source refused.
        tuned: whether hyperparameters are chosen by validation accuracy.
        pixels: by source the curated `.npy` of the train and validation images. The plan stores a hash of its images'
            pixels. So trainings depend only on the plan, and not on these files, which also change with other images.
        parents: derived source → the source from which its images are made. An image and its parent are in one group,
            and the scenario may train on both.
        draw: 0 takes train images by rank. Another number takes them from the same train split in another order.
        any_class: sources whose images are taken regardless of class.
        limits: the key per_class of each source that has one, for messages.

    Raises:
        UserError: a class of a source has fewer train images than requested. The message says what to do.
    """
    refused = read_refusals(refusals) if refusals else {}
    if reason := refusals_text(refused, train):
        _write_not_run(output, scenario, reason)
        return
    table = read_parquet(splits, ("source", "row", "class", "label", "group", "split", "rank", "key"))
    rank = rank_in_draw(table, draw)
    trained = {name for source in train for name in classes[source]}
    tested = np.isin(table["source"], list(common)) & np.isin(table["class"], list(trained))
    for split in ("test", "val") if tuned else ("test",):
        if not (tested & (table["split"] == split)).any() and (reason := refusals_text(refused, common)):
            _write_not_run(output, scenario, f"no {split} images of its classes: {reason}")
            return
    flagged = find_flagged(table, audits)
    warn_of_losses(scenario, table, flagged, own_tests)
    curated = dict(zip(train, tables, strict=False))
    other_kind = find_other_kinds(table, curated, kinds)
    warn_of_other_kinds(scenario, table, other_kind)
    cleaned = {FLAGGED: flagged, OTHER_KIND: other_kind & ~flagged}
    usable = (table["split"] == "train") & ~flagged & ~other_kind
    report = ShortfallReport(curated, curation or {}, shortfall, limits=limits or {})
    train_rows = np.zeros(len(table["row"]), dtype=bool)
    for source in sorted(train, key=generated.__contains__):  # sources that yield to others come last
        count, own = train[source], usable & (table["source"] == source)
        by_class = {name: own & (table["class"] == name) for name in classes[source]}
        if source in any_class:
            rows = _of_any_class(table, own, count, draw, (scenario, source), shortfall)
            warn_of_rare_classes(scenario, source, table["class"][rows], classes[source])
            train_rows[rows] = True
            usable &= ~np.isin(table["group"], table["group"][own])
            continue
        per_class = count // len(classes[source])
        smallest = min(by_class, key=lambda name: int(by_class[name].sum()))
        if (found := int(by_class[smallest].sum())) < per_class:
            place = (scenario, source, smallest)
            per_class = _shrink(place, per_class, found, _left_out(table, cleaned, usable, source, smallest), report)
        for mask in by_class.values():
            rows = np.flatnonzero(mask)
            train_rows[rows[np.argsort(rank[rows])][:per_class]] = True
        # the next sources leave out near-duplicates of all of this source's images, used or not: otherwise a smaller
        # scenario could use images that a larger one leaves out
        children = [name for name, parent in parents.items() if parent == source]
        usable &= ~np.isin(table["group"], table["group"][own]) | np.isin(table["source"], children)
    parts = [(train_rows, "train", False)] + [(train_rows, "train", True)] * augmented
    parts.append((tested & (table["split"] == "val"), "val", False))
    _write_plan(output, table, parts, pixels or {}, sorted(trained) if any_class else [])


def rank_in_draw(table: Mapping[str, np.ndarray], draw: int) -> np.ndarray:
    """The rank of each image in a draw: int [N]; images of lower rank are taken first.

    Draws after the first order images by a hash of their keys, so that new images do not reorder the others.

    Args:
        table: the split table.
        draw: its number; 0 for the ranks in the table.
    """
    return _hash_order(table, draw) if draw else table["rank"]


def _hash_order(table: Mapping[str, np.ndarray], draw: int) -> np.ndarray:
    """The rank of each image in the shuffled order of a draw: int64 [N]."""
    keys = np.array([shuffled_rank(draw, f"draw {key}") for key in table["key"].tolist()], dtype="S32")
    rank = np.empty(len(keys), dtype=np.int64)
    rank[np.lexsort((table["label"], table["source"].astype(str), keys))] = np.arange(len(keys))
    return rank


def _of_any_class(
    table: Mapping[str, np.ndarray],
    own: np.ndarray,
    count: int,
    draw: int,
    place: tuple[str, str],
    shortfall: str,
) -> np.ndarray:
    """The rows of the first `count` images of a source, of any class, in the shuffled order of a draw.

    Args:
        own: which rows of the table are usable images of the source, bool [N].
        place: the scenario and the source.

    Raises:
        UserError: there are too few images.
    """
    scenario, source = place
    rows = np.flatnonzero(own)
    rows = rows[np.argsort(_hash_order(table, draw)[rows])][:count]
    if len(rows) < count and (shortfall == "error" or not len(rows)):
        raise UserError(
            f"scenario {scenario}: source {source} has {len(rows)} train images, {count} requested. Add images, lower"
            " the count, or set split.shortfall: shrink"
        )
    if len(rows) < count:
        log.warning("scenario %s: %d train images of source %s, %d requested", scenario, len(rows), source, count)
    return rows


def _write_not_run(output: str | Path, scenario: str, reason: str) -> None:
    """Write the plan of a scenario that is not run."""
    log.info("scenario %s is not run: %s", scenario, reason)
    columns: dict[str, list] = {name: [] for name in PLAN_SCHEMA.names}
    write_parquet(output, columns, PLAN_SCHEMA.with_metadata({NOT_RUN: reason}))


def _left_out(
    table: Mapping[str, np.ndarray], cleaned: Mapping[str, np.ndarray], usable: np.ndarray, source: str, label: str
) -> tuple[int, dict[str, int]]:
    """The number of images of a class in a source, and by reason the number that the scenario cannot train on.

    Args:
        table: the split table.
        cleaned: reason → which rows the scenario leaves out by its key `clean`, bool [N].
        usable: which rows the scenario may train on, bool [N].
    """
    cell = (table["source"] == source) & (table["class"] == label)
    train = cell & (table["split"] == "train")
    counts = {reason: int((train & rows).sum()) for reason, rows in cleaned.items()}
    return int(cell.sum()), {
        **{each: int((cell & (table["split"] == each)).sum()) for each in (UNUSED, LINKING)},
        **counts,
        IN_OTHER_SOURCE: int((train & ~usable).sum()) - sum(counts.values()),
    }


def _shrink(
    place: tuple[str, str, str],
    per_class: int,
    found: int,
    left_out: tuple[int, dict[str, int]],
    report: ShortfallReport,
) -> int:
    """The number of train images of each class after shrinking: that of the source's smallest class.

    Args:
        place: the scenario, the source and its smallest class.
        per_class: train images requested of each class.
        found: train images that the smallest class has; fewer than `per_class`.
        left_out: see `_left_out`.
        report: explains the shortfall.

    Raises:
        UserError: the scenario may not shrink, or the class has no train images.
    """
    scenario, source, label = place
    present, reasons = left_out
    why = report.explanation(source, label, present, reasons)
    if report.shortfall == "shrink" and found:
        log.warning(
            "scenario %s: shrunk to %d train images of each class of source %s, %d requested; class %s has no more%s%s",
            *(scenario, found, source, per_class, label, why, report.for_more(source, label, present, reasons)),
        )
        return found
    raise UserError(
        f"scenario {scenario}: class {label} has {found} train images in source {source}, {per_class} requested of each"
        f" class{why}. {report.remedy(source, label, per_class - found, present, reasons)}"
    )


def _write_plan(
    output: str | Path,
    table: Mapping[str, np.ndarray],
    parts: Sequence[tuple[np.ndarray, str, bool]],
    pixels: Mapping[str, str | Path],
    trained: Sequence[str] = (),
) -> None:
    """Write the rows of each part (mask [N], split, augmented), ordered by source, class and rank within a part.

    Args:
        trained: names of the classes trained on, if they do not follow from the labels.
    """
    where = [np.flatnonzero(rows) for rows, _, _ in parts]
    # this order does not depend on the order of the rows in the table
    order = np.lexsort((table["rank"], table["label"], table["source"].astype(str)))
    position = np.argsort(order)
    where = [rows[np.argsort(position[rows])] for rows in where]
    chosen = np.concatenate(where)
    columns = {name: table[name][chosen] for name in ("source", "row", "label")}
    columns["split"] = np.repeat([name for _, name, _ in parts], [len(rows) for rows in where])
    columns["augmented"] = np.repeat([copy for _, _, copy in parts], [len(rows) for rows in where])
    metadata = {TRAINED: json.dumps(trained)} if trained else {}
    metadata |= {PIXELS: _hash_of_pixels(columns["source"], columns["row"], pixels)}
    write_parquet(output, columns, PLAN_SCHEMA.with_metadata(metadata))


def _hash_of_pixels(sources: np.ndarray, rows: np.ndarray, pixels: Mapping[str, str | Path]) -> str:
    """A hash of the pixels of a plan's images, 16 hex digits: source by source, in the plan's order."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(pixels):
        of_source, array = rows[sources == source], map_pixels(pixels[source])
        if len(of_source) and of_source.max() >= len(array):
            raise UserError(f"{pixels[source]} has fewer images than the split table. Delete the file and run again.")
        for start in range(0, len(of_source), AT_A_TIME):
            digest.update(array[of_source[start : start + AT_A_TIME]].tobytes())
    return digest.hexdigest()
