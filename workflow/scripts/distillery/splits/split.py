"""Split a study's images: every kept image gets a near-duplicate group, a split and a rank.

Groups reach across classes and sources, and a whole group lies in one split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.curation.duplicates.pair_table import read_pairs
from distillery.jobs import UserError, log
from distillery.splits.assign_splits import assign_splits, rank_images
from distillery.splits.assignments import Assignments, SplitSettings, read_assignments, write_assignments
from distillery.splits.candidates import SplitCandidates, load_candidates, without_leaked
from distillery.splits.groups import NEW, group_images, group_with_earlier
from distillery.splits.quotas import SPLITS, Quota, quotas_for, shrink_quota
from distillery.splits.refused_sources import (
    log_refusals,
    refused_classes,
    require_sources,
    without_partial_validation,
    without_refused,
    write_refusals,
)
from distillery.splits.shortfall import LINKING, NONE, UNUSED, ShortfallReport
from distillery.storage.parquet import write_parquet

SPLITS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("class", pa.string()),
        ("label", pa.int16()),
        ("key", pa.string()),
        ("group", pa.int64()),
        # train, val, test; or left out as unused: near-duplicate of a test or validation image; or as linking:
        # near-duplicate of images of two groups, see `groups`
        ("split", pa.string()),
        ("rank", pa.int32()),  # within source, class and split, from 0
    ]
)


def split_images(
    tables: Mapping[str, str | Path],
    near_duplicates: str | Path,
    output: str | Path,
    *,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    wanted: Mapping[str, Mapping[str, int]],
    seed: int,
    shortfall: str,
    curation: Mapping[str, int],
    leakage: str | Path | None = None,
    refusals: str | Path | None = None,
    assignments: str | Path | None = None,
    common: Sequence[str] = (),
    tuned: bool = False,
    limits: Mapping[str, int] = NONE,
) -> None:
    """Assign every kept image of every source to a split, and write the split table.

    Classes that a source refused have no images, so they are not in the source's quotas. Images from an earlier split
    keep their group, split and rank (see `assignments`). The validation images stay the same when a source is added, so
    that no finished training has to be repeated.

    Args:
        tables: curated table of each source.
        near_duplicates: table of `tabulate_near_duplicates`.
        output: the `.parquet` to write, with the columns of `SPLITS_SCHEMA`.
        classes: the classes of each source.
        labels: the study's classes in order.
        wanted: by split (test, val, train) the total of each source.
        seed: of the shuffled order.
        shortfall: "error", or "shrink" to lower all quotas of a source to what its smallest class can fill, also if
            its images are unused because they are in groups of other sources' test and validation images.
        curation: the configuration's section `curation`, for messages about dropped images.
        leakage: table of `find_leakage`, to leave out near-duplicates of the teacher's train images; None to keep them.
        refusals: the `.json` to write: the refused classes of each source with their reasons.
        assignments: the `.parquet` that stores the assignments for the next split, written last; None to store none.
        common: sources of the common test set.
        tuned: whether hyperparameters are chosen by validation accuracy.
        limits: the key per_class of each source that has one, for messages.

    Raises:
        UserError: a class has too few images for test and validation; or all sources of the common test set, or of a
            tuned study's validation images, refused.
    """
    refused = refused_classes(tables)
    require_sources(refused, classes, common, wanted["val"], tuned)
    images = load_candidates(tables, labels)
    if leakage:
        images = without_leaked(images, leakage)
    quotas = quotas_for(wanted, classes)
    log_refusals(refused, quotas)
    settings = SplitSettings.of(seed, quotas)
    earlier = Assignments.none(len(images.key))
    if assignments:
        earlier = read_assignments(assignments, settings, images, labels)
    near = read_pairs(near_duplicates, images.source, images.row)
    group, linking, earlier = _grouped(images, near, seed, earlier)
    usable = images.where(~linking)
    classes = without_refused(classes, refused)
    quotas = without_partial_validation({source: quotas[source] for source in classes}, refused)
    report = ShortfallReport(tables, curation, shortfall, str(assignments) if earlier.any else "", limits)
    if shortfall == "shrink":
        pool = (usable, group[~linking], classes, labels, report)
        quotas = {source: _shrunk_to_pool(quota, source, *pool) for source, quota in quotas.items()}
    quotas = _validation_as_made(quotas, images, earlier, classes, labels, tuned)
    split = np.full(len(group), LINKING, dtype=object)

    def assign() -> None:
        split[~linking] = assign_splits(usable, group[~linking], quotas, seed, earlier.where(~linking))

    assign()
    if shortfall == "shrink":
        while (capped := _cap_quotas(quotas, images, split, classes, labels)) != quotas:
            quotas = capped
            assign()
    _require_quotas(images, group, split, quotas, classes, labels, report)
    columns = {
        **{name: getattr(images, name) for name in ("source", "row", "label", "key")},
        "class": [labels[label] for label in images.label],
        "group": group,
        "split": split,
        "rank": rank_images(images, split.astype(str), seed, earlier),
    }
    write_parquet(output, columns, SPLITS_SCHEMA)
    if refusals:
        write_refusals(refusals, refused)
    if assignments:
        write_assignments(assignments, settings, columns, ~linking)


def _grouped(
    images: SplitCandidates, near: np.ndarray, seed: int, earlier: Assignments
) -> tuple[np.ndarray, np.ndarray, Assignments]:
    """Group the images.

    Returns:
        The group of each image, int64 [N]; which images are left out as linking two groups, bool [N]; and the earlier
        assignments that are still valid.
    """
    found = group_with_earlier(images, near, earlier.group, seed) if earlier.any else None
    if found:
        group, linking = found
        new = earlier.group == NEW
        log.info("%d images keep their split, %d are new", (~new).sum(), new.sum())
        if linking.any():
            log.info("%d new images are left out: near-duplicates of images of two groups", linking.sum())
        return group, linking, earlier
    if earlier.any:
        log.warning("the search for near-duplicates has changed: all images are split again")
    group, linking = group_images(images, near, seed)
    if linking.any():
        log.info("%d images are left out: near-duplicates of images of two groups", linking.sum())
    return group, linking, Assignments.none(len(images.key))


def _validation_as_made(
    quotas: Mapping[str, Quota],
    images: SplitCandidates,
    earlier: Assignments,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    tuned: bool,
) -> dict[str, Quota]:
    """Quotas that do not add validation images: every training depends on these, and would have to be repeated.

    A source that refused when the validation images were chosen gives none later, unless a tuned study would have none
    at all.
    """
    kept = {}
    for source, quota in quotas.items():
        cells = [_of_class(images, source, labels.index(name)) for name in classes[source]]
        had = [int((earlier.split[cell] == "val").sum()) for cell in cells]
        gone = [earlier.removed.get((source, labels.index(name), "val"), 0) for name in classes[source]]
        most = min(map(sum, zip(had, gone, strict=True))) if source in earlier.sources else quota.val
        kept[source] = replace(quota, val=min(quota.val, most))
    made = set(images.source[earlier.split == "val"].tolist())
    if tuned and not made and not any(quota.val for quota in kept.values()):
        return dict(quotas)
    for source, quota in kept.items():
        if quotas[source].val and not quota.val and source not in made:
            log.info("validation stays as it was made, without images of source %s", source)
    return kept


def _shrunk_to_pool(
    quota: Quota,
    source: str,
    images: SplitCandidates,
    group: np.ndarray,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    report: ShortfallReport,
) -> Quota:
    """The quota that a source's smallest class can fill.

    Available images are counted in groups, because test and validation take one image of each group.
    """
    cells = {name: _of_class(images, source, labels.index(name)) for name in classes[source]}
    available = {name: len(np.unique(group[cell])) for name, cell in cells.items()}
    smallest = min(available, key=lambda name: available[name])
    smaller = shrink_quota(quota, available[smallest])
    if smaller != quota:
        log.warning(
            "source %s: class %s has %d of the %d images requested of each class%s; now test %d, validation %d, train"
            " at most %d of each class%s",
            *(source, smallest, available[smallest], quota.test + quota.val + quota.train),
            report.explanation(source, smallest, int(cells[smallest].sum())),
            *(smaller.test, smaller.val, smaller.train),
            report.for_more(source, smallest, int(cells[smallest].sum())),
        )
    return smaller


def _cap_quotas(
    quotas: Mapping[str, Quota],
    images: SplitCandidates,
    split: np.ndarray,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
) -> dict[str, Quota]:
    """Quotas lowered to what each source's smallest class was assigned, if other sources' images are in its groups.

    Each split that requests any image keeps at least one.
    """
    capped = {}
    for source, quota in quotas.items():
        cells = [_of_class(images, source, labels.index(name)) for name in classes[source]]
        found = {part: min(int((split[cell] == part).sum()) for cell in cells) for part in SPLITS[:-1]}
        least = {part: min(getattr(quota, part), max(1, count)) for part, count in found.items()}
        capped[source] = replace(quota, **least)
        if capped[source] != quota:
            log.warning(
                "source %s: only test %d, validation %d of each class, because the other images are near-duplicates of"
                " other sources' images",
                *(source, capped[source].test, capped[source].val),
            )
    return capped


def _of_class(images: SplitCandidates, source: str, label: int) -> np.ndarray:
    """Which images belong to a source and a class: bool [N]."""
    return (images.source == source) & (images.label == label)


def _require_quotas(
    images: SplitCandidates,
    group: np.ndarray,
    split: np.ndarray,
    quotas: Mapping[str, Quota],
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    report: ShortfallReport,
) -> None:
    """Raise a `UserError` if a class of a source has fewer test or validation images than its quota."""
    for source, quota in quotas.items():
        for name in classes[source]:
            cell = _of_class(images, source, labels.index(name))
            for part in SPLITS[:-1]:
                requested, found = getattr(quota, part), int((split[cell] == part).sum())
                if found < requested:
                    left_out = {each: int((cell & (split == each)).sum()) for each in (UNUSED, LINKING)}
                    raise UserError(
                        f"split.{part}: class {name} has {found} {part} images in source {source},"
                        f" {requested} requested of each class"
                        f"{report.explanation(source, name, int(cell.sum()))}{_repeats(images, group, split, cell)}."
                        f" {report.remedy(source, name, requested - found, int(cell.sum()), left_out)}"
                    )


def _repeats(images: SplitCandidates, group: np.ndarray, split: np.ndarray, cell: np.ndarray) -> str:
    """Part of a message: how many images of a class are unused, and of which sources' images they are near-duplicates.

    Empty if no image is unused.
    """
    unused = cell & (split == UNUSED)
    taken = np.isin(group, group[unused]) & np.isin(split, SPLITS[:-1])
    names = ", ".join(np.unique(images.source[taken]).tolist())
    return f"; {unused.sum()} more are near-duplicates of test or validation images of {names}" if names else ""
