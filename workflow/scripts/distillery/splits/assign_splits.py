"""Assign a split and a rank to every image, so that groups stay whole, classes balanced and smaller subsets nested.

Earlier assignments are kept. All choices depend on hashes of the images' keys, so new images do not move others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from distillery.jobs import log
from distillery.splits.assignments import Assignments
from distillery.splits.candidates import SplitCandidates, shuffled_order, shuffled_rank
from distillery.splits.groups import NEW
from distillery.splits.quotas import SPLITS, Quota

Cell = tuple[str, int]  # a source and a label


def assign_splits(
    images: SplitCandidates,
    group: np.ndarray,
    quotas: Mapping[str, Quota],
    seed: int,
    earlier: Assignments | None = None,
) -> np.ndarray:
    """The split of each image: train, val, test or unused.

    Groups are processed in a shuffled order. A group goes to test if one of its sources and classes still lacks test
    images, else to validation by the same rule, else to train. In test and validation a group gives at most one image
    of each source and class, because near-duplicates add no evidence; its other images are unused.

    Images with an earlier assignment keep it, and new images of their groups follow them. There is one exception: if a
    test or validation image no longer exists and no new image can replace it, a train image of its class does.

    Args:
        images: N images.
        group: the near-duplicate group of each, int64 [N].
        quotas: of each source.
        seed: of the shuffled order.
        earlier: what earlier splits assigned; None if all images are new.

    Returns:
        str [N].
    """
    earlier = earlier or Assignments.none(len(group))
    groups: dict[str, list[np.ndarray]] = {name: [] for name in (*SPLITS, "free")}
    split = np.full(len(group), "train", dtype=object)
    for members in _members_in_order(images, group, seed):
        place = _earlier_split(earlier, members)
        groups[place].append(members)
        if place in SPLITS[:-1]:
            split[members] = np.where(earlier.split[members] == place, place, "unused")
    for name in SPLITS[:-1]:
        lacking = _lacking(images, split, quotas, name)
        _fill(images, split, groups[name], name, lacking)
        _fill(images, split, [members for members in groups["free"] if split[members[0]] == "train"], name, lacking)
        if opened := _places_of_removed(earlier, lacking, name):
            trained = [members for members in groups["train"] if split[members[0]] == "train"]
            trained.sort(
                key=lambda members: len(_one_per_cell(images, members))
            )  # groups of one source and class first
            _fill(images, split, trained, name, opened)
            if moved := int(((earlier.split == "train") & (split == name)).sum()):
                log.warning("%d train images become %s images, because as many of these no longer exist", moved, name)
    return split.astype(str)


def _earlier_split(earlier: Assignments, members: np.ndarray) -> str:
    """The split of a group; "free" for a new group, or if only its unused images still exist."""
    found = set(earlier.split[members][earlier.group[members] != NEW].tolist()) - {"unused"}
    return found.pop() if found else "free"


def _lacking(images: SplitCandidates, split: np.ndarray, quotas: Mapping[str, Quota], name: str) -> dict[Cell, int]:
    """How many images of each source and class a split lacks."""
    cells = set(zip(images.source.tolist(), images.label.tolist(), strict=True))
    lacking = {cell: getattr(quotas[cell[0]], name) for cell in cells}
    for i in np.flatnonzero(split == name).tolist():
        lacking[_cell(images, i)] -= 1
    return lacking


def _places_of_removed(earlier: Assignments, lacking: Mapping[Cell, int], name: str) -> dict[Cell, int]:
    """How many images of each source and class a split lacks because earlier ones no longer exist."""
    gone = {(source, label): count for (source, label, split), count in earlier.removed.items() if split == name}
    return {cell: min(lacking.get(cell, 0), count) for cell, count in gone.items() if lacking.get(cell, 0) > 0}


def _fill(
    images: SplitCandidates, split: np.ndarray, groups: Iterable[np.ndarray], name: str, lacking: dict[Cell, int]
) -> None:
    """Move images from groups, in order, into a split that lacks images of their sources and classes.

    Args:
        split: of each image; changed in place.
        groups: of each, the indices of its members.
        name: the split to fill.
        lacking: images that it lacks, by source and class; changed in place.
    """
    for members in groups:
        taken = {_cell(images, i) for i in members.tolist() if split[i] == name}
        first = {_cell(images, i): i for i in _one_per_cell(images, members)}
        chosen = {cell: i for cell, i in first.items() if cell not in taken and lacking.get(cell, 0) > 0}
        if chosen:
            split[members[split[members] != name]] = "unused"
        for cell, i in chosen.items():
            split[i] = name
            lacking[cell] -= 1


def _cell(images: SplitCandidates, i: int) -> Cell:
    """Source and label of the image with index i."""
    return str(images.source[i]), int(images.label[i])


def _members_in_order(images: SplitCandidates, group: np.ndarray, seed: int) -> list[np.ndarray]:
    """The groups in the shuffled order of a seed, each as the indices of its members in that order."""
    by_rank = shuffled_order(images, seed)
    by_group = by_rank[np.argsort(group[by_rank], kind="stable")]
    members = np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1) if len(group) else []
    position = np.empty(len(group), dtype=np.int64)
    position[by_rank] = np.arange(len(group))
    return sorted(members, key=lambda m: position[m[0]])


def _one_per_cell(images: SplitCandidates, members: np.ndarray) -> list[int]:
    """The indices of a group's first members of each source and class."""
    first: dict[Cell, int] = {}
    for i in members.tolist():
        first.setdefault(_cell(images, i), i)
    return list(first.values())


def rank_images(
    images: SplitCandidates, split: np.ndarray, seed: int, earlier: Assignments | None = None
) -> np.ndarray:
    """The rank of each image within its source, class and split, in shuffled order: int32 [N].

    Images that were in the same split before keep their rank. The ranks of the others begin after these, or at 0.
    """
    if not len(images.key):
        return np.empty(0, dtype=np.int32)
    earlier = earlier or Assignments.none(len(split))
    kept = earlier.split == split
    rank = np.array([shuffled_rank(seed + 1, key) for key in images.key.tolist()], dtype="S32")
    order = np.lexsort((rank, kept, split, images.label, images.source))  # images that keep their rank come last
    cells = np.stack([images.source[order], images.label[order].astype(str), split[order]], axis=1)
    starts = np.flatnonzero(np.r_[True, (cells[1:] != cells[:-1]).any(axis=1)])
    first_free = np.maximum.reduceat(np.where(kept, earlier.rank, -1)[order], starts) + 1
    sizes = np.diff(np.r_[starts, len(order)])
    result = np.empty(len(order), dtype=np.int32)
    result[order] = np.arange(len(order)) + np.repeat(first_free - starts, sizes)
    result[kept] = earlier.rank[kept]
    return result
