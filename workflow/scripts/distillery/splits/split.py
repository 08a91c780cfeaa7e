"""Which images are for training, validation and test: groups whole, classes balanced, subsets nested.

A group holds images that are near-duplicates of each other, in any class or source, and lies in one split. Everything
is decided by hashes of the images' keys, so that images added later move few of the others.
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
from distillery.storage.parquet import read_parquet, write_parquet

SPLITS = ("test", "val", "train")  # in the order in which they choose

SPLITS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("class", pa.string()),
        ("label", pa.int16()),
        ("key", pa.string()),
        ("group", pa.int64()),
        ("split", pa.string()),  # train, val, test; unused: repeats a test or validation image
        ("rank", pa.int32()),  # within source, class and split, from 0
    ]
)
PLAN_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),
        ("label", pa.int16()),
        ("split", pa.string()),
        ("augmented", pa.bool_()),  # an altered copy of the same image
    ]
)


@dataclass(frozen=True)
class SplitCandidates:
    """Kept images of all sources, one entry each in every array [N]."""

    source: np.ndarray  # str
    row: np.ndarray  # int
    label: np.ndarray  # int
    key: np.ndarray  # str
    phash: np.ndarray  # uint64
    phash_mirror: np.ndarray  # uint64


@dataclass(frozen=True)
class Quota:
    """Images wanted of each class of a source."""

    test: int
    val: int
    train: int  # the most that any scenario trains on


def load_candidates(tables: Mapping[str, str | Path], classes: Sequence[str]) -> SplitCandidates:
    """The kept images of the curated tables, by source."""
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
    """The near-duplicate group of each image: the least position of its members.

    Args:
        distance: bits of 64 within which two images, one of them mirrored perhaps, are near-duplicates.

    Returns:
        int64 [N].
    """
    # identical hashes first: comparing each with each of them would be quadratic
    pairs_of_hashes = np.stack([images.phash, images.phash_mirror], axis=1)
    unique, first, which = np.unique(pairs_of_hashes, axis=0, return_index=True, return_inverse=True)
    near = (
        near_duplicate_pairs(unique[:, 0], unique[:, 1], distance) if len(unique) else np.empty((0, 2), dtype=np.int64)
    )
    same = np.stack([np.arange(len(which)), first[which.ravel()]], axis=1)
    return connected_groups(len(which), np.concatenate([same, first[near]]))


def shuffled_rank(seed: int, key: str) -> bytes:
    """Where a key stands in the shuffled order of a seed."""
    return hashlib.sha256(f"{seed} {key}".encode()).digest()


def assign_splits(images: SplitCandidates, group: np.ndarray, quotas: Mapping[str, Quota], seed: int) -> np.ndarray:
    """The split of each image.

    Groups come in a shuffled order. A group goes to test while one of its sources and classes still lacks test
    images, then to validation likewise, else to train. In test and validation a group gives at most one image of
    each source and class, since repeats add no evidence; its others are unused.

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
            chosen = [i for i in _one_a_cell(images, members) if lacking[_cell(images, i)] > 0]
            if chosen:
                split[members] = "unused"
            for i in chosen:
                split[i] = name
                lacking[_cell(images, i)] -= 1
    return split.astype(str)


def _cell(images: SplitCandidates, i: int) -> tuple[str, int]:
    return str(images.source[i]), int(images.label[i])


def _members_in_order(images: SplitCandidates, group: np.ndarray, seed: int) -> list[np.ndarray]:
    """The groups in a shuffled order, each the positions of its members in the shuffled order of their keys."""
    rank = np.array([shuffled_rank(seed, key) for key in images.key.tolist()], dtype="S32")
    # equal keys (one image in two sources) are ordered by source, so that the order never depends on the input's
    by_rank = np.lexsort((images.label, images.source, rank))
    by_group = by_rank[np.argsort(group[by_rank], kind="stable")]
    members = np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1) if len(group) else []
    position = np.empty(len(group), dtype=np.int64)
    position[by_rank] = np.arange(len(group))
    return sorted(members, key=lambda m: position[m[0]])


def _one_a_cell(images: SplitCandidates, members: np.ndarray) -> list[int]:
    first: dict[tuple[str, int], int] = {}
    for i in members.tolist():
        first.setdefault(_cell(images, i), i)
    return list(first.values())


def rank_images(images: SplitCandidates, split: np.ndarray, seed: int) -> np.ndarray:
    """Position of each image within its source, class and split, from 0, in shuffled order."""
    if not len(images.key):
        return np.empty(0, dtype=np.int32)
    rank = np.array([shuffled_rank(seed + 1, key) for key in images.key.tolist()], dtype="S32")
    order = np.lexsort((rank, split, images.label, images.source))
    cells = np.stack([images.source[order], images.label[order].astype(str), split[order]], axis=1)
    starts = np.flatnonzero(np.r_[True, (cells[1:] != cells[:-1]).any(axis=1)])
    result = np.empty(len(order), dtype=np.int32)
    result[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return result


def quotas_for(wanted: Mapping[str, Mapping[str, int]], classes: Mapping[str, Sequence[str]]) -> dict[str, Quota]:
    """Images of each class, from totals.

    Args:
        wanted: for test, val and train the total of each source.
        classes: of each source.
    """
    return {
        source: Quota(*(wanted[split].get(source, 0) // len(names) for split in SPLITS))
        for source, names in classes.items()
    }


def shrink_quota(quota: Quota, available: int) -> Quota:
    """A quota for a class that has fewer images than asked.

    Train shrinks first. Test and validation give way too once they would take more than a third of what there is, or
    more than the share they were meant to have, if that is larger; at least one of each that is wanted remains.
    """
    asked, held_out = quota.test + quota.val + quota.train, quota.test + quota.val
    if available >= asked:
        return quota
    room = max(available // 3, held_out * available // asked)
    test, val = quota.test, quota.val
    if held_out > room:
        test, val = (max(1, n * room // held_out) if n else 0 for n in (test, val))
    return Quota(test, val, max(0, available - test - val))


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
    leakage: str | Path | None = None,
) -> None:
    """Assign every kept image of every source to a split.

    Args:
        tables: curated table of each source.
        output: the `.parquet` to write, with the columns of `SPLITS_SCHEMA`.
        classes: the classes each source has.
        labels: the study's classes in order.
        wanted: for test, val and train the total of each source.
        group_distance: bits of 64; see `group_images`.
        seed: of the shuffled order.
        shortfall: "error", or "shrink" to take the same proportions of what the smallest class has, and fewer where
            other sources' test and validation images take its groups.
        leakage: table of `curation.leakage`, whose images near the teacher's train images are left out; or None.

    Raises:
        UserError: a class has too few images for test and validation.
    """
    images = load_candidates(tables, labels)
    if leakage:
        images = _without_leaked(images, leakage)
    group = group_images(images, group_distance)
    quotas = quotas_for(wanted, classes)
    if shortfall == "shrink":
        quotas = {source: _shrunk_to_pool(quotas[source], images, group, source, classes, labels) for source in quotas}
    split = assign_splits(images, group, quotas, seed)
    if shortfall == "shrink":
        while (capped := _capped(quotas, images, split, classes, labels)) != quotas:
            quotas, split = capped, assign_splits(images, group, capped, seed)
    _require_quotas(images, group, split, quotas, classes, labels, shortfall)
    columns = {
        **{name: getattr(images, name) for name in ("source", "row", "label", "key")},
        "class": [labels[label] for label in images.label],
        "group": group,
        "split": split,
        "rank": rank_images(images, split, seed),
    }
    write_parquet(output, columns, SPLITS_SCHEMA)


def _without_leaked(images: SplitCandidates, leakage: str | Path) -> SplitCandidates:
    """The images that are no near-duplicates of those the teacher trained on."""
    table = read_parquet(leakage, ("source", "row", "teacher_split"))
    trained = table["teacher_split"] == "train"
    leaked = set(zip(table["source"][trained].tolist(), table["row"][trained].tolist(), strict=True))
    known = zip(images.source.tolist(), images.row.tolist(), strict=True)
    keep = np.array([place not in leaked for place in known], dtype=bool)
    log.info("%d of %d images are left out: the teacher trained on their like", (~keep).sum(), len(keep))
    return SplitCandidates(**{name: values[keep] for name, values in vars(images).items()})


def _shrunk_to_pool(
    quota: Quota,
    images: SplitCandidates,
    group: np.ndarray,
    source: str,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
) -> Quota:
    """What a source's smallest class can give; counted in groups, since test takes one image of each."""
    mine = images.source == source
    available = {c: len(np.unique(group[mine & (images.label == labels.index(c))])) for c in classes[source]}
    smallest = min(available, key=available.get)
    smaller = shrink_quota(quota, available[smallest])
    if smaller != quota:
        log.warning(
            "source %s: class %s has %d of the %d images wanted; test %d, validation %d, train at most %d a class",
            *(source, smallest, available[smallest], quota.test + quota.val + quota.train),
            *(smaller.test, smaller.val, smaller.train),
        )
    return smaller


def _capped(
    quotas: Mapping[str, Quota],
    images: SplitCandidates,
    split: np.ndarray,
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
) -> dict[str, Quota]:
    """What was assigned to each source's smallest class: another source may have taken its groups.

    At least one of what is wanted remains.
    """
    capped = {}
    for source, quota in quotas.items():
        cells = [_of_class(images, source, labels.index(name)) for name in classes[source]]
        found = {part: min(int((split[cell] == part).sum()) for cell in cells) for part in SPLITS[:-1]}
        least = {part: max(count, min(1, getattr(quota, part))) for part, count in found.items()}
        capped[source] = replace(quota, **least)
        if capped[source] != quota:
            log.warning(
                "source %s: test %d, validation %d a class; more of its images are like those of other sources",
                *(source, capped[source].test, capped[source].val),
            )
    return capped


def _of_class(images: SplitCandidates, source: str, label: int) -> np.ndarray:
    """Which images are of a source and a class, bool [N]."""
    return (images.source == source) & (images.label == label)


def _require_quotas(
    images: SplitCandidates,
    group: np.ndarray,
    split: np.ndarray,
    quotas: Mapping[str, Quota],
    classes: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    shortfall: str,
) -> None:
    for source, quota in quotas.items():
        for name in classes[source]:
            mine = _of_class(images, source, labels.index(name))
            for part in SPLITS[:-1]:
                asked, found = getattr(quota, part), int((split[mine] == part).sum())
                if found < asked:
                    raise UserError(
                        f"split.{part}: class {name} has {found} {part} images in source {source}, {asked} asked"
                        f"{_repeats(images, group, split, mine)}. {_way_out(name, shortfall)}"
                    )


def _repeats(images: SplitCandidates, group: np.ndarray, split: np.ndarray, mine: np.ndarray) -> str:
    """How many of some images are unused, and whose test or validation images they repeat; nothing if none."""
    unused = mine & (split == "unused")
    taken = np.isin(group, group[unused]) & np.isin(split, SPLITS[:-1])
    names = ", ".join(np.unique(images.source[taken]).tolist())
    return f"; {unused.sum()} more repeat test or validation images of {names}" if names else ""


def _way_out(name: str, shortfall: str) -> str:
    """What to do about a class with too few images."""
    way = f"Add queries, prompts or images for {name}"
    return (
        f"{way}, or lower the count"
        if shortfall == "shrink"
        else f"{way}, lower the count, or set split.shortfall: shrink"
    )


# --- scenarios --------------------------------------------------------------------------------------------------------


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
) -> None:
    """Choose the images a scenario trains on and is validated and tested on.

    Args:
        splits: table of `split_images`.
        output: the `.parquet` to write, with the columns of `PLAN_SCHEMA`: train rows by rank, so that the images of
            a smaller scenario are among those of a larger one; then all validation and test rows of the common
            sources, of the classes the scenario trains on.
        scenario: its name, for messages.
        train: total of each source.
        classes: the classes each source has.
        common: sources whose test images are everyone's.
        augmented: give every train image an altered copy.
        shortfall: "error", or "shrink" to the largest balanced set.
        generated: sources of generated images: of near-duplicates in several sources of the scenario, a real one is
            trained on; among real ones that of the source named first.
        audits: tables of `evidence.audit`, whose flagged images are not trained on.

    Raises:
        UserError: a class of a source has fewer train images than asked; says which, and what to do.
    """
    table = read_parquet(splits, ("source", "row", "class", "label", "group", "split", "rank"))
    usable = (table["split"] == "train") & ~_suspect(table, audits)
    train_rows = np.zeros(len(table["row"]), dtype=bool)
    for source in sorted(train, key=generated.__contains__):  # real ones first
        count, own = train[source], usable & (table["source"] == source)
        mine = {name: own & (table["class"] == name) for name in classes[source]}
        available = {name: int(rows.sum()) for name, rows in mine.items()}
        per_class = _fill_or_shrink(scenario, source, count // len(classes[source]), available, shortfall)
        for rows in mine.values():
            rows = np.flatnonzero(rows)
            train_rows[rows[np.argsort(table["rank"][rows])][:per_class]] = True
        # the next source's near-duplicates of this one's images, used here or not, so that subsets nest
        usable &= ~np.isin(table["group"], table["group"][own])
    trained = {name for source in train for name in classes[source]}
    tested = np.isin(table["source"], list(common)) & np.isin(table["class"], list(trained))
    parts = [(train_rows, "train", False)] + [(train_rows, "train", True)] * augmented
    parts += [(tested & (table["split"] == name), name, False) for name in ("val", "test")]
    _write_plan(output, table, parts)


def _suspect(table: Mapping[str, np.ndarray], audits: Sequence[str | Path]) -> np.ndarray:
    """Which rows of the split's table have a label that the teacher doubts, bool [N]."""
    places = set()
    for path in audits:
        audit = read_parquet(path, ("source", "row", "is_label_issue"))
        doubted = audit["is_label_issue"].astype(bool)
        places |= set(zip(audit["source"][doubted].tolist(), audit["row"][doubted].tolist(), strict=True))
    known = zip(table["source"].tolist(), table["row"].tolist(), strict=True)
    return np.array([place in places for place in known], dtype=bool)


def _fill_or_shrink(scenario: str, source: str, per_class: int, available: Mapping[str, int], shortfall: str) -> int:
    smallest = min(available, key=available.get)
    found = available[smallest]
    if found >= per_class:
        return per_class
    if shortfall == "shrink" and found:
        log.warning(
            "scenario %s: shrunk to %d train images a class of source %s, %d asked; class %s has no more",
            *(scenario, found, source, per_class, smallest),
        )
        return found
    raise UserError(
        f"scenario {scenario}: class {smallest} has {found} train images in source {source}, {per_class} asked."
        f" {_way_out(smallest, shortfall)}"
    )


def _write_plan(
    output: str | Path, table: Mapping[str, np.ndarray], parts: Sequence[tuple[np.ndarray, str, bool]]
) -> None:
    where = [np.flatnonzero(rows) for rows, _, _ in parts]
    # by source, class and rank, so that the file does not depend on the order images came in
    order = np.lexsort((table["rank"], table["label"], table["source"].astype(str)))
    position = np.argsort(order)
    where = [rows[np.argsort(position[rows])] for rows in where]
    chosen = np.concatenate(where)
    columns = {name: table[name][chosen] for name in ("source", "row", "label")}
    columns["split"] = np.repeat([name for _, name, _ in parts], [len(rows) for rows in where])
    columns["augmented"] = np.repeat([copy for _, _, copy in parts], [len(rows) for rows in where])
    write_parquet(output, columns, PLAN_SCHEMA)
