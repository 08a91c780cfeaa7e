"""Tables of leakage and of the label audit: near-duplicates of the teacher's images, and labels that may be wrong.

A teacher flags some labels of its own test images too. Columns `own_…` have these numbers as the baseline; without own
test images, a source's percentages of flagged and wrong labels are left blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from pathlib import Path

import pandas as pd

from distillery.analysis.study_tables.plan_images import used_images
from distillery.analysis.table_files import write_table
from distillery.curation.label_issues import label_error_rates

LEAKAGE_COLUMNS = ("source", "kept", "near_teacher_train", "near_teacher_test", "trained_on", "tested_on", "note")
AUDIT_COLUMNS = (
    "source", "class", "kept", "audited", "label_issues", "flagged_percent", "own_n", "own_flagged_percent",
    "above_own", "wrong_percent", "own_wrong_percent", "clean_loses_percent", "trained_on", "tested_on", "clip_n",
    "clip_percent", "note",
)  # fmt: skip
ALL = "all"
SIGNIFICANT = 1.96  # standard errors, for a two-sided level of 5 %


def tabulate_data_quality(
    leakage: str | Path,
    audits: Iterable[str | Path],
    own_tests: Iterable[str | Path],
    plans: Iterable[str | Path],
    leakage_table: str | Path,
    audit_table: str | Path,
    *,
    splits: str | Path,
    tested: Sequence[str],
    cleaned: Sequence[str] = (),
    label: str = "",
) -> None:
    """Write both tables, columns as in docs/tables.md.

    Args:
        leakage: the `.parquet` of `curation.leakage`.
        audits: `output` of `audit_labels` for each source, in the order of the rows wanted.
        own_tests: `own_output` of `audit_labels`, in the same order.
        plans: `{scenario}.parquet` of every scenario.
        leakage_table, audit_table: the `.csv` files to write.
        splits, tested: see `used_images`.
        cleaned: sources whose flagged images are left out by a scenario that trains on them.
        label: column `note` of every row, for example that the numbers come from a demonstration.
    """
    audited = [pd.read_parquet(path) for path in audits]
    own_audited = [pd.read_parquet(path) for path in own_tests]
    train = _train_images(splits)
    used = used_images(plans, splits, tested)
    near = pd.read_parquet(leakage)
    rows = [_leakage_row(audit, near, used) for audit in audited if len(audit)]
    write_table(pd.DataFrame(rows).assign(note=label).reindex(columns=list(LEAKAGE_COLUMNS)), leakage_table)
    rows = [
        row
        for audit, own in zip(audited, own_audited, strict=True)
        if len(audit)
        for row in _audit_rows(audit, own, used, train if audit["source"].iloc[0] in cleaned else None)
    ]
    write_table(pd.DataFrame(rows).assign(note=label).reindex(columns=list(AUDIT_COLUMNS)), audit_table)


def _usage_columns(images: pd.DataFrame, used: pd.DataFrame) -> dict[str, int]:
    """How many of the images (source, row) are trained on, and how many tested on, by any scenario."""
    found = images[["source", "row"]].drop_duplicates().merge(used, on=["source", "row"])["split"].value_counts()
    return {"trained_on": int(found.get("train", 0)), "tested_on": int(found.get("test", 0))}


def _leakage_row(audit: pd.DataFrame, near: pd.DataFrame, used: pd.DataFrame) -> dict[str, object]:
    """The leakage of one source.

    Args:
        audit: one row per kept image of the source.
        near: near-duplicates of the teacher's images, of all sources.
        used: see `used_images`.
    """
    source = audit["source"].iloc[0]
    near = near[near["source"] == source]
    counts = {f"near_teacher_{part}": int((near["teacher_split"] == part).sum()) for part in ("train", "test")}
    trained = near[near["teacher_split"] == "train"]
    return {"source": source, "kept": len(audit), **counts, **_usage_columns(trained, used)}


def _train_images(splits: str | Path) -> pd.DataFrame:
    """The images (source, row) of the train split."""
    table = pd.read_parquet(splits, columns=["source", "row", "split"])
    return table.loc[table["split"] == "train", ["source", "row"]].astype({"source": str})


def _audit_rows(
    audit: pd.DataFrame, own: pd.DataFrame, used: pd.DataFrame, train: pd.DataFrame | None
) -> Iterable[dict[str, object]]:
    """One row for all classes of a source, then one for each class.

    Args:
        audit: audit of the source.
        own: audit of the teacher's own test images of these classes.
        used: see `used_images`.
        train: the images of the train split; None if no scenario leaves out this source's flagged images.
    """
    wrong, own_wrong = (_wrong_percents(table) for table in (audit, own))
    for name in (ALL, *dict.fromkeys(audit["class"])):
        labels, own_labels = (table if name == ALL else table[table["class"] == name] for table in (audit, own))
        scores = labels["clip"][labels["clip"] >= 0]
        issues, audited = labels[labels["is_label_issue"] == 1], int((labels["audited"] == 1).sum())
        row: dict[str, object] = {
            "source": audit["source"].iloc[0],
            "class": name,
            "kept": len(labels),
            "audited": audited,
            "label_issues": len(issues),
            "own_n": len(own_labels),
            "clean_loses_percent": "" if train is None else _lost_percent(labels, train),
            **_usage_columns(issues, used),
            "clip_n": len(scores),
            "clip_percent": f"{100 * scores.mean():.1f}" if len(scores) else "",
        }
        if len(own_labels):
            row |= _flagged_columns(audited, len(issues), len(own_labels), int(own_labels["is_label_issue"].sum()))
            row |= {"wrong_percent": wrong.get(name, ""), "own_wrong_percent": own_wrong.get(name, "")}
        yield row


def _wrong_percents(audit: pd.DataFrame) -> dict[str, str]:
    """The estimated percentage of wrong labels, of all classes and by class, where it can be estimated."""
    audited = audit[audit["audited"] == 1]
    overall, by_class = label_error_rates(audited["class"], audited["confident"])
    rates = ({} if overall is None else {ALL: overall}) | by_class
    return {name: f"{100 * rate:.1f}" for name, rate in rates.items()}


def _flagged_columns(count: int, flagged: int, own_count: int, own_flagged: int) -> dict[str, str]:
    """Percentages of flagged labels of a source and of the teacher's own test images, and whether the first is higher.

    Args:
        count, flagged: number of labels audited, and flagged, of the source.
        own_count, own_flagged: the same of the teacher's own test images; at least one is audited.
    """
    if not count:
        return {}
    # z test of two proportions, with the variance of the pooled proportion
    rate, own_rate = flagged / count, own_flagged / own_count
    pooled = (flagged + own_flagged) / (count + own_count)
    error = sqrt(pooled * (1 - pooled) * (1 / count + 1 / own_count))
    return {
        "flagged_percent": f"{100 * rate:.1f}",
        "own_flagged_percent": f"{100 * own_rate:.1f}",
        "above_own": "yes" if rate - own_rate > SIGNIFICANT * error else "no",
    }


def _lost_percent(audit: pd.DataFrame, train: pd.DataFrame) -> str:
    """The percentage of train images that are flagged; empty if there are none."""
    found = audit[["source", "row", "is_label_issue"]].astype({"source": str}).merge(train, on=["source", "row"])
    return f"{100 * found['is_label_issue'].mean():.1f}" if len(found) else ""
