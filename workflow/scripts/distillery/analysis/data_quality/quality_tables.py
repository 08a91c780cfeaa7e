"""How far the images can be trusted: what the teacher knows already, and which labels it doubts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from distillery.analysis.study_tables.plan_images import used_images
from distillery.analysis.table_files import write_table
from distillery.curation.label_issues import label_error_rates

LEAKAGE_COLUMNS = ("source", "kept", "near_teacher_train", "near_teacher_test", "trained_on", "tested_on", "note")
AUDIT_COLUMNS = ("source", "class", "kept", "audited", "is_label_issue", "wrong_percent", "trained_on", "tested_on")
AUDIT_COLUMNS += ("clip_n", "clip_percent", "note")
ALL = "all"


def tabulate_data_quality(
    leakage: str | Path,
    audits: Iterable[str | Path],
    plans: Iterable[str | Path],
    leakage_table: str | Path,
    audit_table: str | Path,
    *,
    label: str = "",
    splits: str | Path | None = None,
    other_test_sets: Sequence[str] = (),
) -> None:
    """Write both tables, columns as in docs/tables.md.

    Args:
        leakage: of `curation.leakage`.
        audits: of `evidence.audit`, one a source, in the order of the rows wanted.
        plans: of every scenario.
        leakage_table, audit_table: the `.csv` to write.
        label: what must be said of all numbers, such as that they come from a demonstration.
        splits, elsewhere: see `used_images`.
    """
    audited = [pd.read_parquet(path) for path in audits]
    used = used_images(plans, splits, other_test_sets)
    known = pd.read_parquet(leakage)
    rows = [_leakage_row(audit, known, used) for audit in audited if len(audit)]
    write_table(pd.DataFrame(rows).assign(note=label).reindex(columns=LEAKAGE_COLUMNS), leakage_table)
    rows = [row for audit in audited if len(audit) for row in _audit_rows(audit, used)]
    write_table(pd.DataFrame(rows).assign(note=label).reindex(columns=AUDIT_COLUMNS), audit_table)


def _used(places: pd.DataFrame, used: pd.DataFrame) -> dict[str, int]:
    """How many of some images (source, row) any scenario trains on, and is tested on."""
    found = places[["source", "row"]].drop_duplicates().merge(used, on=["source", "row"])["split"].value_counts()
    return {"trained_on": int(found.get("train", 0)), "tested_on": int(found.get("test", 0))}


def _leakage_row(audit: pd.DataFrame, known: pd.DataFrame, used: pd.DataFrame) -> dict[str, object]:
    source = audit["source"].iloc[0]
    mine = known[known["source"] == source]
    counts = {f"near_teacher_{part}": int((mine["teacher_split"] == part).sum()) for part in ("train", "test")}
    trained = mine[mine["teacher_split"] == "train"]
    return {"source": source, "kept": len(audit), **counts, **_used(trained, used)}


def _audit_rows(audit: pd.DataFrame, used: pd.DataFrame) -> Iterable[dict[str, object]]:
    audited = audit[audit["audited"] == 1]
    share, by_class = label_error_rates(audited["class"], audited["confident"])
    for name in (ALL, *dict.fromkeys(audit["class"])):
        mine = audit if name == ALL else audit[audit["class"] == name]
        wrong = share if name == ALL else by_class.get(name)
        asked = mine["clip"][mine["clip"] >= 0]
        yield {
            "source": audit["source"].iloc[0],
            "class": name,
            "kept": len(mine),
            "audited": int((mine["audited"] == 1).sum()),
            "is_label_issue": int(mine["is_label_issue"].sum()),
            "wrong_percent": "" if wrong is None else f"{100 * wrong:.1f}",
            **_used(mine[mine["is_label_issue"] == 1], used),
            "clip_n": len(asked),
            "clip_percent": f"{100 * asked.mean():.1f}" if len(asked) else "",
        }
