"""The plan of a scenario: which images it trains on, and which it is validated and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from distillery.jobs import UserError, log
from distillery.splits.quotas import shortfall_remedy
from distillery.storage.parquet import read_parquet, write_parquet

PLAN_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("row", pa.int32()),  # in the source's array of images
        ("label", pa.int16()),
        ("split", pa.string()),  # train, val, test
        ("augmented", pa.bool_()),  # an altered copy of the same image
    ]
)


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
    """Choose the images that a scenario trains on and is validated and tested on.

    Train images are taken by rank, so that the images of a smaller scenario are among those of a larger one.
    Validation and test images are all those of the common sources, of the classes that the scenario trains on.

    Args:
        splits: table of `split_images`.
        output: the `.parquet` to write, with the columns of `PLAN_SCHEMA`: train rows first, then validation, then
            test.
        scenario: its name, for messages.
        train: total of each source.
        classes: the classes of each source.
        common: sources whose test images all scenarios share.
        augmented: add an altered copy of every train image.
        shortfall: "error", or "shrink" to the largest balanced set.
        generated: sources of generated images. Of near-duplicates in several sources of the scenario, only one source's
            are trained on: a real source before a generated one, among equals the one named first in `train`.
        audits: tables of the label audit; images flagged as label issues are not trained on.

    Raises:
        UserError: a class of a source has fewer train images than wanted; says which, and what to do.
    """
    table = read_parquet(splits, ("source", "row", "class", "label", "group", "split", "rank"))
    usable = (table["split"] == "train") & ~_label_issues(table, audits)
    train_rows = np.zeros(len(table["row"]), dtype=bool)
    for source in sorted(train, key=generated.__contains__):  # real ones first
        count, own = train[source], usable & (table["source"] == source)
        by_class = {name: own & (table["class"] == name) for name in classes[source]}
        available = {name: int(rows.sum()) for name, rows in by_class.items()}
        per_class = _fill_or_shrink(scenario, source, count // len(classes[source]), available, shortfall)
        for mask in by_class.values():
            rows = np.flatnonzero(mask)
            train_rows[rows[np.argsort(table["rank"][rows])][:per_class]] = True
        # near-duplicates of this source's images, whether used here or not, are left out of the next sources: only
        # then do subsets nest
        usable &= ~np.isin(table["group"], table["group"][own])
    trained = {name for source in train for name in classes[source]}
    tested = np.isin(table["source"], list(common)) & np.isin(table["class"], list(trained))
    parts = [(train_rows, "train", False)] + [(train_rows, "train", True)] * augmented
    parts += [(tested & (table["split"] == name), name, False) for name in ("val", "test")]
    _write_plan(output, table, parts)


def _label_issues(table: Mapping[str, np.ndarray], audits: Sequence[str | Path]) -> np.ndarray:
    """Which rows of the splits table the audits flag as label issues, bool [N]."""
    places = set()
    for path in audits:
        audit = read_parquet(path, ("source", "row", "is_label_issue"))
        flagged = audit["is_label_issue"].astype(bool)
        places |= set(zip(audit["source"][flagged].tolist(), audit["row"][flagged].tolist(), strict=True))
    known = zip(table["source"].tolist(), table["row"].tolist(), strict=True)
    return np.array([place in places for place in known], dtype=bool)


def _fill_or_shrink(scenario: str, source: str, per_class: int, available: Mapping[str, int], shortfall: str) -> int:
    """Train images to take of each class: `per_class`, or all of the smallest class if it has fewer and may shrink."""
    smallest = min(available, key=lambda name: available[name])
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
        f" {shortfall_remedy(smallest, shortfall)}"
    )


def _write_plan(
    output: str | Path, table: Mapping[str, np.ndarray], parts: Sequence[tuple[np.ndarray, str, bool]]
) -> None:
    """Write the rows of each part (mask [N], split, augmented), ordered by source, class and rank within a part."""
    where = [np.flatnonzero(rows) for rows, _, _ in parts]
    # this order does not depend on the order in which images came in
    order = np.lexsort((table["rank"], table["label"], table["source"].astype(str)))
    position = np.argsort(order)
    where = [rows[np.argsort(position[rows])] for rows in where]
    chosen = np.concatenate(where)
    columns = {name: table[name][chosen] for name in ("source", "row", "label")}
    columns["split"] = np.repeat([name for _, name, _ in parts], [len(rows) for rows in where])
    columns["augmented"] = np.repeat([copy for _, _, copy in parts], [len(rows) for rows in where])
    write_parquet(output, columns, PLAN_SCHEMA)
