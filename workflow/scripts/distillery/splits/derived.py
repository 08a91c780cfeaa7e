"""Split the images of derived sources. The base sources have been split before, and their split does not change.

A derived image is either a train image or left out. It joins the near-duplicate group of its parent, the image from
which it was made; without a parent, it joins the group of its near-duplicates. It is left out as `linking` if it is a
near-duplicate of images of another group too, and as `unused` if its group has test or validation images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from distillery.curation.duplicates.pair_table import read_pairs
from distillery.jobs import log
from distillery.splits.assign_splits import rank_images
from distillery.splits.assignments import SplitSettings, read_assignments, write_assignments
from distillery.splits.candidates import SplitCandidates, load_candidates, without_leaked
from distillery.splits.groups import NEW, group_with_earlier
from distillery.splits.refused_sources import read_refusals, refused_classes, write_refusals
from distillery.splits.shortfall import LINKING, UNUSED
from distillery.splits.split import SPLITS_SCHEMA
from distillery.storage.parquet import read_parquet, write_parquet
from distillery.storage.retrieved.pools import read_records

Place = tuple[str, str]  # a source and a key
ABSENT = -2  # in place of a parent's group, if the parent is not in the split table


def split_derived_images(
    base: str | Path,
    tables: Mapping[str, str | Path],
    near_duplicates: str | Path,
    output: str | Path,
    *,
    records: Sequence[str | Path] = (),
    labels: Sequence[str],
    seed: int,
    base_refusals: str | Path,
    refusals: str | Path,
    leakage: str | Path | None = None,
    assignments: str | Path | None = None,
) -> None:
    """Add the images of derived sources to the split of the base sources, and write the split table of all sources.

    Args:
        base: the base sources' split table, written by `split_images`.
        tables: curated table of each derived source.
        near_duplicates: table of `tabulate_near_duplicates` over all sources.
        output: the `.parquet` to write, with the columns of `SPLITS_SCHEMA`: the base sources' rows first.
        records: the `.jsonl` files of pools whose images were made from other images. They name each image's parent.
        labels: the study's classes in order.
        seed: of the shuffled order.
        base_refusals: the `.json` with the base sources' refusals.
        refusals: the `.json` to write: the refusals of all sources.
        leakage: table of `find_leakage`, to leave out near-duplicates of the teacher's train images; None to keep them.
        assignments: the `.parquet` that stores the ranks for the next split; None to store nothing.

    Raises:
        UserError: a file is damaged.
    """
    known = read_parquet(base, SPLITS_SCHEMA.names)
    images = load_candidates(tables, labels)
    if leakage:
        images = without_leaked(images, leakage)
    parents = read_parents(records)
    group, split = place_derived(known, images, parents, near_duplicates, seed)
    settings = SplitSettings(seed, {})
    earlier = read_assignments(assignments, settings, images, labels) if assignments else None
    columns = {
        **{name: getattr(images, name) for name in ("source", "row", "label", "key")},
        "class": np.array([labels[label] for label in images.label], dtype=object),
        "group": group,
        "split": split,
        "rank": rank_images(images, split.astype(str), seed, earlier),
    }
    for source in tables:
        counts = [int(((images.source == source) & (split == name)).sum()) for name in ("train", UNUSED, LINKING)]
        log.info(
            "source %s: %d train images. Left out: %d near-duplicates of test or validation images, %d near-duplicates"
            " of images of two groups",
            *(source, *counts),
        )
    write_parquet(
        output, {name: np.concatenate([known[name], columns[name]]) for name in SPLITS_SCHEMA.names}, SPLITS_SCHEMA
    )
    write_refusals(refusals, {**read_refusals(base_refusals), **refused_classes(tables)})
    if assignments:
        write_assignments(assignments, settings, columns, split == "train")


def read_parents(records: Sequence[str | Path]) -> dict[Place, Place]:
    """The parent of each image that was made from another one.

    Raises:
        UserError: a file is damaged.
    """
    found: dict[Place, Place] = {}
    for path in records:
        for record in read_records(path):
            if record.parent and not record.failure:
                found[record.source, record.key] = record.parent_source, record.parent
    return found


def place_derived(
    known: Mapping[str, np.ndarray],
    images: SplitCandidates,
    parents: Mapping[Place, Place],
    near_duplicates: str | Path,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The group and the split (train, unused or linking) of each derived image.

    Args:
        known: the base sources' split table.
        images: the N derived images.
        parents: the parent of each derived image that has one.
        near_duplicates, seed: see `split_derived_images`.

    Returns:
        int64 [N] and str [N].
    """
    count = len(known["row"])
    group_of = dict(zip(zip(known["source"].tolist(), known["key"].tolist(), strict=True), known["group"], strict=True))
    places = zip(images.source.tolist(), images.key.tolist(), strict=True)
    from_parent = [parents.get(place) for place in places]
    given = np.array([NEW if parent is None else group_of.get(parent, ABSENT) for parent in from_parent], np.int64)
    pairs = read_pairs(
        near_duplicates, np.concatenate([known["source"], images.source]), np.concatenate([known["row"], images.row])
    )
    # base images left out as near two groups decide nothing
    counts = np.concatenate([known["split"] != LINKING, np.ones(len(images.row), bool)])
    pairs = pairs[(pairs >= count).any(axis=1) & counts[pairs].all(axis=1)]
    linking = _touches_another_group(known["group"], given, pairs)
    group, apart = _grouped(known, images, given, pairs, linking, seed)
    held_out = np.isin(known["split"], ("test", "val"))
    split = np.where(np.isin(group, known["group"][held_out]), UNUSED, "train").astype(object)
    split[given == ABSENT] = UNUSED
    split[linking | apart] = LINKING
    return group, split


def _touches_another_group(known: np.ndarray, given: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Which derived images are near-duplicates of a base image outside their parent's group: bool [N].

    Args:
        known: the group of each base image.
        given: the parent's group of each derived image; `NEW` if it has no parent.
        pairs: near-duplicates, int64 [P, 2]; indices of base images come before those of derived images.
    """
    result = np.zeros(len(given), dtype=bool)
    one, other = pairs[(pairs[:, 0] < len(known)) & (pairs[:, 1] >= len(known))].T
    derived = other - len(known)
    result[derived[(given[derived] != NEW) & (known[one] != given[derived])]] = True
    return result


def _grouped(
    known: Mapping[str, np.ndarray],
    images: SplitCandidates,
    given: np.ndarray,
    pairs: np.ndarray,
    linking: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The groups of the derived images, and which images without a parent are left out as near two groups.

    Returns:
        int64 [N] and bool [N].
    """
    count = len(known["row"])
    base = {name: known[name] for name in ("source", "row", "label", "key")}
    joined = SplitCandidates(**{name: np.concatenate([base[name], getattr(images, name)]) for name in base})
    fixed = np.concatenate([known["group"], given])
    free = np.flatnonzero(given == ABSENT) + count
    lone = np.concatenate([np.flatnonzero(linking) + count, free])  # each is a group by itself
    fixed[lone] = max(fixed.max(initial=0), len(fixed)) + 1 + np.arange(len(lone))
    without_parent = fixed == NEW
    near = pairs[without_parent[pairs].any(axis=1) & ~np.isin(pairs, lone).any(axis=1)]
    found = group_with_earlier(joined, near, fixed, seed)
    if found is None:  # impossible, because each of these pairs has an image without a group
        raise AssertionError("near-duplicates in two groups")
    names, apart = found
    # the groups keep the names that they have in the base sources' table
    renamed = dict(zip(names[:count].tolist(), known["group"].tolist(), strict=True))
    return np.array([renamed.get(name, name) for name in names[count:].tolist()], dtype=np.int64), apart[count:]
