"""Tables of leakage and of the label audit: near-duplicates of the teacher's images, and labels that may be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from distillery.analysis.study_tables.plan_images import used_images
from distillery.analysis.table_files import write_table
from distillery.curation.label_issues import label_error_rates

LEAKAGE_COLUMNS = ("source", "kept", "near_teacher_train", "near_teacher_test", "trained_on", "tested_on", "note")
AUDIT_COLUMNS = (
    "source", "class", "kept", "audited", "label_issues", "wrong_percent", "trained_on", "tested_on", "clip_n",
    "clip_percent", "note",
)  # fmt: skip
ALL = "all"


def tabulate_data_quality(
    leakage: str | Path,
    audits: Iterable[str | Path],
    plans: Iterable[str | Path],
    leakage_table: str | Path,
    audit_table: str | Path,
    *,
    splits: str | Path,
    tested: Sequence[str],
    label: str = "",
) -> None:
    """Write both tables, columns as in docs/tables.md.

    Args:
        leakage: written by `curation.leakage`.
        audits: written by `audit_labels`, one a source, in the order of the rows wanted.
        plans: of every scenario.
        leakage_table, audit_table: the `.csv` to write.
        label: column `note` of every row, such as that the numbers come from a demonstration.
        splits, tested: see `used_images`.
    """
    audited = [pd.read_parquet(path) for path in audits]
    used = used_images(plans, splits, tested)
    known = pd.read_parquet(leakage)
    rows = [_leakage_row(audit, known, used) for audit in audited if len(audit)]
    write_table(pd.DataFrame(rows).assign(note=label).reindex(columns=list(LEAKAGE_COLUMNS)), leakage_table)
    rows = [row for audit in audited if len(audit) for row in _audit_rows(audit, used)]
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


def _audit_rows(audit: pd.DataFrame, used: pd.DataFrame) -> Iterable[dict[str, object]]:
    """One row for all classes of a source, then one for each class."""
    audited = audit[audit["audited"] == 1]
    overall, by_class = label_error_rates(audited["class"], audited["confident"])
    for name in (ALL, *dict.fromkeys(audit["class"])):
        mine = audit if name == ALL else audit[audit["class"] == name]
        error_rate = overall if name == ALL else by_class.get(name)
        scores = mine["clip"][mine["clip"] >= 0]
        yield {
            "source": audit["source"].iloc[0],
            "class": name,
            "kept": len(mine),
            "audited": int((mine["audited"] == 1).sum()),
            "label_issues": int(mine["is_label_issue"].sum()),
            "wrong_percent": "" if error_rate is None else f"{100 * error_rate:.1f}",
            **_usage_columns(mine[mine["is_label_issue"] == 1], used),
            "clip_n": len(scores),
            "clip_percent": f"{100 * scores.mean():.1f}" if len(scores) else "",
        }
