"""Tables of leakage and of the label audit: near-duplicates of the teacher's images, and labels that may be wrong.

A teacher flags some labels of its own test images too. These columns (`own_…`) are the floor of the audit: without
them, nothing that it estimates of a source is written.
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
SIGNIFICANT = 1.96  # standard errors


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
        leakage: written by `curation.leakage`.
        audits: written by `audit_labels`, one a source, in the order of the rows wanted.
        own_tests: written by `audit_labels` too, of the teacher's own test images, in the same order.
        plans: of every scenario.
        leakage_table, audit_table: the `.csv` to write.
        label: column `note` of every row, such as that the numbers come from a demonstration.
        splits, tested: see `used_images`.
        cleaned: sources that a scenario trains on without flagged images.
    """
    audited = [pd.read_parquet(path) for path in audits]
    trusted = [pd.read_parquet(path) for path in own_tests]
    train = _train_images(splits)
    used = used_images(plans, splits, tested)
    known = pd.read_parquet(leakage)
    rows = [_leakage_row(audit, known, used) for audit in audited if len(audit)]
    write_table(pd.DataFrame(rows).assign(note=label).reindex(columns=list(LEAKAGE_COLUMNS)), leakage_table)
    rows = [
        row
        for audit, own in zip(audited, trusted, strict=True)
        if len(audit)
        for row in _audit_rows(audit, own, used, train if audit["source"].iloc[0] in cleaned else None)
    ]
    write_table(pd.DataFrame(rows).assign(note=label).reindex(columns=list(AUDIT_COLUMNS)), audit_table)


def _usage_columns(images: pd.DataFrame, used: pd.DataFrame) -> dict[str, int]:
    """How many of some images (source, row) any scenario trains on, and how many any is tested on."""
    found = images[["source", "row"]].drop_duplicates().merge(used, on=["source", "row"])["split"].value_counts()
    return {"trained_on": int(found.get("train", 0)), "tested_on": int(found.get("test", 0))}


def _leakage_row(audit: pd.DataFrame, known: pd.DataFrame, used: pd.DataFrame) -> dict[str, object]:
    source = audit["source"].iloc[0]
    mine = known[known["source"] == source]
    counts = {f"near_teacher_{part}": int((mine["teacher_split"] == part).sum()) for part in ("train", "test")}
    trained = mine[mine["teacher_split"] == "train"]
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
        audit: of the source.
        own: of the teacher's own test images of its classes.
        used: see `used_images`.
        train: the images of the train split; None if no scenario leaves out this source's flagged images.
    """
    wrong, own_wrong = (_wrong_percents(table) for table in (audit, own))
    for name in (ALL, *dict.fromkeys(audit["class"])):
        mine, trusted = (table if name == ALL else table[table["class"] == name] for table in (audit, own))
        scores = mine["clip"][mine["clip"] >= 0]
        issues, audited = mine[mine["is_label_issue"] == 1], int((mine["audited"] == 1).sum())
        row: dict[str, object] = {
            "source": audit["source"].iloc[0],
            "class": name,
            "kept": len(mine),
            "audited": audited,
            "label_issues": len(issues),
            "own_n": len(trusted),
            "clean_loses_percent": "" if train is None else _lost_percent(mine, train),
            **_usage_columns(issues, used),
            "clip_n": len(scores),
            "clip_percent": f"{100 * scores.mean():.1f}" if len(scores) else "",
        }
        if len(trusted):
            row |= _flagged_columns(audited, len(issues), len(trusted), int(trusted["is_label_issue"].sum()))
            row |= {"wrong_percent": wrong.get(name, ""), "own_wrong_percent": own_wrong.get(name, "")}
        yield row


def _wrong_percents(audit: pd.DataFrame) -> dict[str, str]:
    """The estimated percentage of wrong labels of all classes and of each, where there is an estimate."""
    audited = audit[audit["audited"] == 1]
    overall, by_class = label_error_rates(audited["class"], audited["confident"])
    rates = ({} if overall is None else {ALL: overall}) | by_class
    return {name: f"{100 * rate:.1f}" for name, rate in rates.items()}


def _flagged_columns(count: int, flagged: int, own_count: int, own_flagged: int) -> dict[str, str]:
    """What percentage of labels is flagged, here and on the teacher's own test images, and whether here it is more.

    Args:
        count, flagged: labels audited, and flagged of them.
        own_count, own_flagged: the same of the teacher's own test images, at least one.
    """
    if not count:
        return {}
    # z test of two proportions, with the variance of their common one
    rate, own_rate = flagged / count, own_flagged / own_count
    common = (flagged + own_flagged) / (count + own_count)
    error = sqrt(common * (1 - common) * (1 / count + 1 / own_count))
    return {
        "flagged_percent": f"{100 * rate:.1f}",
        "own_flagged_percent": f"{100 * own_rate:.1f}",
        "above_own": "yes" if rate - own_rate > SIGNIFICANT * error else "no",
    }


def _lost_percent(audit: pd.DataFrame, train: pd.DataFrame) -> str:
    """The percentage of train images that are flagged; empty if there are none."""
    mine = audit[["source", "row", "is_label_issue"]].astype({"source": str}).merge(train, on=["source", "row"])
    return f"{100 * mine['is_label_issue'].mean():.1f}" if len(mine) else ""
