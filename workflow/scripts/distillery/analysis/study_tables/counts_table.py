"""The counts table: how many images of each source and class were found, retrieved, kept, dropped and used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from distillery.analysis.study_tables.plan_images import used_images
from distillery.curation.kinds.classifier import KINDS
from distillery.storage.retrieved.refusals import refusal_of

COUNT_COLUMNS = ("source", "class", "candidates", "retrieved", "kept", "train", "val", "test")


def counts_table(
    curated: Iterable[str | Path],
    plans: Iterable[str | Path],
    splits: str | Path,
    tested: Sequence[str],
) -> pd.DataFrame:
    """One row per (source, class): counts of candidates, of retrieved, kept and used images, and of each drop reason.

    If a source refused a class, a last column `refused` has the reason; a refusal does not count as a candidate. If
    kept images have known kinds, columns `kept_{kind}` count them.

    Args:
        curated: the curated tables of the sources, in the order of the rows wanted.
        plans: every scenario's plan; `train`, `val` and `test` count the distinct images that any of them uses.
        splits, tested: see `used_images`.
    """
    columns = ["source", "class", "key", "kept", "reason", "row", "sha256", "image_kind"]
    tables = [pd.read_parquet(path, columns=columns) for path in curated]
    # an empty table would change the column types of the others
    records = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    records["kept"] = records["kept"].astype(bool)
    records["refused"] = records["reason"].fillna("").map(refusal_of)
    refused = records[records["refused"] != ""].groupby(["source", "class"], observed=True)["refused"].first()
    groups = records.groupby(["source", "class"], sort=False, observed=True)
    table = pd.DataFrame(
        {
            "candidates": (records["refused"] == "").groupby([records["source"], records["class"]]).sum(),
            "retrieved": records["sha256"].fillna("").ne("").groupby([records["source"], records["class"]]).sum(),
            "kept": groups["kept"].sum(),
        }
    ).reindex(groups.size().index)
    used = _used_by_class(records, used_images(plans, splits, tested))
    for split in ("train", "val", "test"):
        table[split] = used.get(split, pd.Series(dtype=int)).reindex(table.index, fill_value=0)
    for kind in [kind for kind in KINDS if (records["kept"] & (records["image_kind"] == kind)).any()]:
        found = records[records["kept"] & (records["image_kind"] == kind)]
        table[f"kept_{kind}"] = (
            found.groupby(["source", "class"], observed=True).size().reindex(table.index, fill_value=0)
        )
    dropped = records[~records["kept"] & (records["refused"] == "")]
    reasons = dropped["reason"].fillna("").map(reason_column)
    for name in sorted(reasons.unique()):
        counts = dropped[reasons == name].groupby(["source", "class"], observed=True).size()
        table[name] = counts.reindex(table.index, fill_value=0)
    table = table.astype(int)
    if len(refused):
        table["refused"] = refused.reindex(table.index, fill_value="")
    return table.reset_index()


def reason_column(reason: str) -> str:
    """The column of a reason: `dropped_too_small` for `too small (12 x 9)`; details after `:` or `(` are left out."""
    head = re.split(r"[:(]", reason)[0].lower()
    return f"dropped_{re.sub(r'[^a-z0-9]+', '_', head).strip('_') or 'without_reason'}"


def _used_by_class(records: pd.DataFrame, used: pd.DataFrame) -> dict[str, pd.Series]:
    """Number of distinct used images by (source, class), for each split."""
    # an image found twice may have two rows in the table, but it has one row of pixels
    classes = records.loc[records["kept"], ["source", "row", "class"]].drop_duplicates(["source", "row"])
    used = used.merge(classes, on=["source", "row"])
    return {str(name): part.groupby(["source", "class"]).size() for name, part in used.groupby("split", observed=True)}
