"""The split of derived sources, beside the base sources, which are split first and stay as they are.

Every image of a derived source is for training, unless it is a near-duplicate of a test or validation image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from distillery.curation.pair_table import read_pairs
from distillery.jobs import log
from distillery.splits.assign_splits import rank_images
from distillery.splits.assignments import SplitSettings, read_assignments, write_assignments
from distillery.splits.candidates import SplitCandidates, load_candidates, without_leaked
from distillery.splits.groups import NEW, group_with_earlier
from distillery.splits.refused_sources import read_refusals, refused_classes, write_refusals
from distillery.splits.shortfall import LINKING, UNUSED
from distillery.splits.split import SPLITS_SCHEMA
from distillery.storage.parquet import read_parquet, write_parquet


def split_derived_images(
    base: str | Path,
    tables: Mapping[str, str | Path],
    near_duplicates: str | Path,
    output: str | Path,
    *,
    labels: Sequence[str],
    seed: int,
    base_refusals: str | Path,
    refusals: str | Path,
    leakage: str | Path | None = None,
    assignments: str | Path | None = None,
) -> None:
    """Add the images of derived sources to the splits of the base sources, and write the table of all.

    A derived image joins the group that it is a near-duplicate of. It is `unused` if that group has test or validation
    images, `linking` if it is near two groups, and else for training.

    Args:
        base: the base sources' table, written by `split_images`.
        tables: curated table of each derived source.
        near_duplicates: table of `tabulate_near_duplicates`, of all sources.
        output: the `.parquet` to write, with the columns of `SPLITS_SCHEMA`: the base sources' rows first.
        labels: the study's classes in order.
        seed: of the shuffled order.
        base_refusals: the base sources' refusals.
        refusals: the `.json` to write: the refusals of all sources.
        leakage: table of `find_leakage`, to leave out near-duplicates of the teacher's train images; None to keep them.
        assignments: the `.parquet` that keeps the ranks for the next split; None to keep none.
    """
    known = read_parquet(base, SPLITS_SCHEMA.names)
    images = load_candidates(tables, labels)
    if leakage:
        images = without_leaked(images, leakage)
    group, split = place_derived(known, images, near_duplicates, seed)
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
            "source %s: %d images for training; %d are near-duplicates of test or validation images, %d of images of"
            " two groups",
            *(source, *counts),
        )
    write_parquet(
        output, {name: np.concatenate([known[name], columns[name]]) for name in SPLITS_SCHEMA.names}, SPLITS_SCHEMA
    )
    write_refusals(refusals, {**read_refusals(base_refusals), **refused_classes(tables)})
    if assignments:
        write_assignments(assignments, settings, columns, split == "train")


def place_derived(
    known: Mapping[str, np.ndarray], images: SplitCandidates, near_duplicates: str | Path, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The group and the split (train, unused or linking) of each derived image.

    Args:
        known: the base sources' splits.
        images: N derived ones.
        near_duplicates, seed: see `split_derived_images`.

    Returns:
        int64 [N] and str [N].
    """
    count = len(known["row"])
    joined = SplitCandidates(**{name: np.concatenate([known[name], values]) for name, values in vars(images).items()})
    earlier = np.concatenate([known["group"], np.full(len(images.key), NEW)])
    near = read_pairs(near_duplicates, joined.source, joined.row)
    # what the base split left out belongs to no group, and its groups are not looked for again
    left_out = np.flatnonzero(known["split"] == LINKING)
    settled = (near < count).all(axis=1) & (earlier[near[:, 0]] != earlier[near[:, 1]])
    found = group_with_earlier(joined, near[~settled & ~np.isin(near, left_out).any(axis=1)], earlier, seed)
    assert found is not None  # no pair is of two earlier groups
    names, linking = found
    # named as in the base sources' table, whose groups stay as they are
    renamed = dict(zip(names[:count].tolist(), known["group"].tolist(), strict=True))
    group = np.array([renamed.get(name, name) for name in names[count:].tolist()], dtype=np.int64)
    held_out = known["group"][~np.isin(known["split"], ("train", LINKING))]
    split = np.where(np.isin(group, held_out), UNUSED, "train").astype(object)
    split[linking[count:]] = LINKING
    return group, split
