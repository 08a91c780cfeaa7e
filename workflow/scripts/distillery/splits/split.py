"""Assign every kept image to training, validation or test: groups stay whole, classes balanced, subsets nest.

A group holds images that are near-duplicates of each other, in any class or source; all of it lies in one split. Every
choice follows from hashes of the images' keys, so images added later move few of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.curation.duplicates import connected_groups, near_duplicate_pairs
from distillery.jobs import UserError, log
from distillery.splits.quotas import SPLITS, Quota, quotas_for, shrink_quota
from distillery.splits.refused_sources import (
    log_refusals,
    refused_classes,
    require_sources,
    without_refused,
    write_refusals,
)
from distillery.splits.shortfall import UNUSED, ShortfallReport
from distillery.storage.parquet import read_parquet, write_parquet

SPLITS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("class", pa.string()),
        ("label", pa.int16()),
        ("key", pa.string()),
        ("group", pa.int64()),
        ("split", pa.string()),  # train, val, test; unused: near-duplicate of a test or validation image
        ("rank", pa.int32()),  # within source, class and split, from 0
    ]
)


@dataclass(frozen=True)
class SplitCandidates:
    """The kept images of all sources; every array is [N], one entry an image."""

    source: np.ndarray  # str
    row: np.ndarray  # int
    label: np.ndarray  # int
    key: np.ndarray  # str
    phash: np.ndarray  # uint64
    phash_mirror: np.ndarray  # uint64


def load_candidates(tables: Mapping[str, str | Path], classes: Sequence[str]) -> SplitCandidates:
    """Read the kept images from the curated tables.

    Args:
        tables: curated table of each source.
        classes: the study's classes in order; a label is an index into them.
    """
    columns = ("class", "kept", "row", "key", "phash", "phash_mirror")
    parts: list[dict[str, np.ndarray]] = []
    for source, path in tables.items():
        table = read_parquet(path, columns)
        kept = table["kept"].astype(bool)
        part = {name: values[kept] for name, values in table.items()}
        parts.append(part | {"source": np.full(kept.sum(), source, dtype=object)})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in (*columns, "source")}
    labels = {name: label for label, name in enumerate(classes)}
    return SplitCandidates(
        source=joined["source"].astype(str),
        row=joined["row"].astype(np.int32),
        label=np.array([labels[name] for name in joined["class"]], dtype=np.int16),
        key=joined["key"].astype(str),
        phash=joined["phash"].astype(np.uint64),
        phash_mirror=joined["phash_mirror"].astype(np.uint64),
    )


def group_images(images: SplitCandidates, distance: int) -> np.ndarray:
    """The near-duplicate group of each image, named by the smallest index of its members.

    Args:
        distance: bits of 64 within which two images, as they are or with one mirrored, are near-duplicates.

    Returns:
        int64 [N].
    """
    # images with identical hashes are joined first: comparing all of them in pairs would be quadratic
    pairs_of_hashes = np.stack([images.phash, images.phash_mirror], axis=1)
    unique, first, which = np.unique(pairs_of_hashes, axis=0, return_index=True, return_inverse=True)
    near = (
        near_duplicate_pairs(unique[:, 0], unique[:, 1], distance) if len(unique) else np.empty((0, 2), dtype=np.int64)
    )
    same = np.stack([np.arange(len(which)), first[which.ravel()]], axis=1)
    return connected_groups(len(which), np.concatenate([same, first[near]]))


def shuffled_rank(seed: int, key: str) -> bytes:
    """Sort key of an image key in the shuffled order of a seed."""
    return hashlib.sha256(f"{seed} {key}".encode()).digest()


def assign_splits(images: SplitCandidates, group: np.ndarray, quotas: Mapping[str, Quota], seed: int) -> np.ndarray:
    """The split of each image.

    Groups are taken in a shuffled order. A group goes to test while one of its sources and classes still lacks test
    images, else to validation by the same rule, else to train. In test and validation a group gives at most one image
    of each source and class, since near-duplicates add no evidence; its other images are unused.

    Returns:
        str [N].
    """
    order = _members_in_order(images, group, seed)
    split = np.full(len(group), "train", dtype=object)
    for name in SPLITS[:-1]:
        lacking = {
            (source, label): getattr(quotas[source], name)
            for source, label in set(zip(images.source.tolist(), images.label.tolist(), strict=True))
        }
        for members in order:
            if split[members[0]] != "train":
                continue
            chosen = [i for i in _one_per_cell(images, members) if lacking[_cell(images, i)] > 0]
            if chosen:
                split[members] = "unused"
            for i in chosen:
                split[i] = name
                lacking[_cell(images, i)] -= 1
    return split.astype(str)


def _cell(images: SplitCandidates, i: int) -> tuple[str, int]:
    """Source and label of an image."""
    return str(images.source[i]), int(images.label[i])


def _members_in_order(images: SplitCandidates, group: np.ndarray, seed: int) -> list[np.ndarray]:
    """The groups in a shuffled order; of each, the indices of its members in the shuffled order of their keys."""
    rank = np.array([shuffled_rank(seed, key) for key in images.key.tolist()], dtype="S32")
    # equal keys (one image in two sources) are ordered by source, so the result never depends on the order of the input
    by_rank = np.lexsort((images.label, images.source, rank))
    by_group = by_rank[np.argsort(group[by_rank], kind="stable")]
    members = np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1) if len(group) else []
    position = np.empty(len(group), dtype=np.int64)
    position[by_rank] = np.arange(len(group))
    return sorted(members, key=lambda m: position[m[0]])


def _one_per_cell(images: SplitCandidates, members: np.ndarray) -> list[int]:
    """The first member of each source and class."""
    first: dict[tuple[str, int], int] = {}
    for i in members.tolist():
        first.setdefault(_cell(images, i), i)
    return list(first.values())


def rank_images(images: SplitCandidates, split: np.ndarray, seed: int) -> np.ndarray:
    """Position of each image within its source, class and split, from 0, in shuffled order: int32 [N]."""
    if not len(images.key):
        return np.empty(0, dtype=np.int32)
    rank = np.array([shuffled_rank(seed + 1, key) for key in images.key.tolist()], dtype="S32")
    order = np.lexsort((rank, split, images.label, images.source))
    cells = np.stack([images.source[order], images.label[order].astype(str), split[order]], axis=1)
    starts = np.flatnonzero(np.r_[True, (cells[1:] != cells[:-1]).any(axis=1)])
    result = np.empty(len(order), dtype=np.int32)
    result[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return result


def split_images(
    tables: Mapping[str, str | Path],
    output: str | Path,
    *,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    wanted: Mapping[str, Mapping[str, int]],
    group_distance: int,
    seed: int,
    shortfall: str,
    curation: Mapping[str, int],
    leakage: str | Path | None = None,
    refusals: str | Path | None = None,
    common: Sequence[str] = (),
    tuned: bool = False,
) -> None:
    """Assign every kept image of every source to a split and write the table.

    Classes that a source refused have no images there, so they are left out of its quotas.

    Args:
        tables: curated table of each source.
        output: the `.parquet` to write, with the columns of `SPLITS_SCHEMA`.
        classes: the classes of each source.
        labels: the study's classes in order.
        wanted: for test, val and train the total of each source.
        group_distance: bits of 64; see `group_images`.
        seed: of the shuffled order.
        shortfall: "error", or "shrink" to take the same proportions of what the smallest class has, and fewer if
            the test and validation images of other sources take its groups.
        curation: the configuration's section, for messages about images that were dropped.
        leakage: table of `find_leakage`, to leave out near-duplicates of the teacher's train images; None to keep them.
        refusals: the `.json` to write: the refused classes of each source with their reasons.
        common: sources of the common test.
        tuned: whether settings are chosen by the validation images.

    Raises:
        UserError: a class has too few images for test and validation, or all sources of the common test, or of a tuned
            study's validation, refused.
    """
    refused = refused_classes(tables)
    require_sources(refused, classes, common, wanted["val"], tuned)
    images = load_candidates(tables, labels)
    if leakage:
        images = _without_leaked(images, leakage)
    group = group_images(images, group_distance)
    quotas = quotas_for(wanted, classes)
    log_refusals(refused, quotas)
    classes = without_refused(classes, refused)
    quotas = {source: quotas[source] for source in classes}
    report = ShortfallReport(tables, curation, shortfall)
    if shortfall == "shrink":
        pool = (images, group, classes, labels, report)
        quotas = {source: _shrunk_to_pool(quota, source, *pool) for source, quota in quotas.items()}
    split = assign_splits(images, group, quotas, seed)
    if shortfall == "shrink":
        while (capped := _cap_quotas(quotas, images, split, classes, labels)) != quotas:
            quotas, split = capped, assign_splits(images, group, capped, seed)
    _require_quotas(images, group, split, quotas, classes, labels, report)
    columns = {
        **{name: getattr(images, name) for name in ("source", "row", "label", "key")},
        "class": [labels[label] for label in images.label],
        "group": group,
        "split": split,
        "rank": rank_images(images, split, seed),
    }
    write_parquet(output, columns, SPLITS_SCHEMA)
    if refusals:
        write_refusals(refusals, refused)


def _without_leaked(images: SplitCandidates, leakage: str | Path) -> SplitCandidates:
    """The candidates without near-duplicates of images that the teacher trained on."""
    table = read_parquet(leakage, ("source", "row", "teacher_split"))
    trained = table["teacher_split"] == "train"
    leaked = set(zip(table["source"][trained].tolist(), table["row"][trained].tolist(), strict=True))
    known = zip(images.source.tolist(), images.row.tolist(), strict=True)
    keep = np.array([place not in leaked for place in known], dtype=bool)
    log.info(
        "%d of %d images are left out: near-duplicates of images that the teacher trained on", (~keep).sum(), len(keep)
    )
    return SplitCandidates(**{name: values[keep] for name, values in vars(images).items()})


def _shrunk_to_pool(
    quota: Quota,
    source: str,
    images: SplitCandidates,
    group: np.ndarray,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    report: ShortfallReport,
) -> Quota:
    """The quota that a source's smallest class can fill, counted in groups: test takes one image of each group."""
    cells = {name: _of_class(images, source, labels.index(name)) for name in classes[source]}
    available = {name: len(np.unique(group[cell])) for name, cell in cells.items()}
    smallest = min(available, key=lambda name: available[name])
    smaller = shrink_quota(quota, available[smallest])
    if smaller != quota:
        log.warning(
            "source %s: class %s has %d of the %d images requested of each class%s; test %d, validation %d, train at"
            " most %d of each class",
            *(source, smallest, available[smallest], quota.test + quota.val + quota.train),
            report.explanation(source, smallest, int(cells[smallest].sum())),
            *(smaller.test, smaller.val, smaller.train),
        )
    return smaller


def _cap_quotas(
    quotas: Mapping[str, Quota],
    images: SplitCandidates,
    split: np.ndarray,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
) -> dict[str, Quota]:
    """Quotas lowered to what each source's smallest class was assigned: another source may have taken its groups.

    At least one image remains for each split that wants any.
    """
    capped = {}
    for source, quota in quotas.items():
        cells = [_of_class(images, source, labels.index(name)) for name in classes[source]]
        found = {part: min(int((split[cell] == part).sum()) for cell in cells) for part in SPLITS[:-1]}
        least = {part: max(count, min(1, getattr(quota, part))) for part, count in found.items()}
        capped[source] = replace(quota, **least)
        if capped[source] != quota:
            log.warning(
                "source %s: test %d, validation %d a class; the others are near-duplicates of other sources' images",
                *(source, capped[source].test, capped[source].val),
            )
    return capped


def _of_class(images: SplitCandidates, source: str, label: int) -> np.ndarray:
    """Which images are of a source and a class: bool [N]."""
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
            mine = _of_class(images, source, labels.index(name))
            for part in SPLITS[:-1]:
                asked, found = getattr(quota, part), int((split[mine] == part).sum())
                if found < asked:
                    left_out = {UNUSED: int((mine & (split == "unused")).sum())}
                    raise UserError(
                        f"split.{part}: class {name} has {found} {part} images in source {source}, {asked} requested of"
                        " each class"
                        f"{report.explanation(source, name, int(mine.sum()))}{_repeats(images, group, split, mine)}."
                        f" {report.remedy(source, name, asked - found, int(mine.sum()), left_out)}"
                    )


def _repeats(images: SplitCandidates, group: np.ndarray, split: np.ndarray, mine: np.ndarray) -> str:
    """For a message: how many of some images are unused, and which sources' images they repeat; empty if none are."""
    unused = mine & (split == "unused")
    taken = np.isin(group, group[unused]) & np.isin(split, SPLITS[:-1])
    names = ", ".join(np.unique(images.source[taken]).tolist())
    return f"; {unused.sum()} more repeat test or validation images of {names}" if names else ""
