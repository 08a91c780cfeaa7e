"""The acceptance table: how many generated images of each class and prompt were kept, rejected or failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from distillery.analysis.table_files import write_table
from distillery.storage.records import ImageRecord
from distillery.storage.retrieved.pools import read_records
from distillery.storage.retrieved.refusals import refusal_of
from distillery.wording import reason_kind

ALL_PROMPTS = ""  # cell `prompt` of the row that sums a class
COLUMNS = (
    "source", "class", "prompt", "by", "at_least", "tried", "kept", "rejected", "failed", "accepted", "mean_score",
    "note",
)  # fmt: skip


def tabulate_acceptance(
    records: Sequence[str | Path], rules: Mapping[str, Mapping[str, Any]], output: str | Path, *, label: str = ""
) -> None:
    """Write the table: a row for each class, then one for each of its prompts.

    Args:
        records: the `.jsonl` of every pool of the sources.
        rules: setting `keep` of each source.
        output: the `.csv` to write, columns as in docs/tables.md.
        label: column `note` of every row.
    """
    rows: list[dict[str, Any]] = []
    for path in records:
        tried = [record for record in read_records(path) if not refusal_of(record.failure)]
        for prompt in [ALL_PROMPTS, *dict.fromkeys(record.prompt for record in tried)] if tried else []:
            matching = [record for record in tried if prompt in (ALL_PROMPTS, record.prompt)]
            rule = rules[matching[0].source]
            counts = count_outcomes(matching, rule["by"])
            rows.append(
                {"source": matching[0].source, "class": matching[0].label, "prompt": prompt, "by": rule["by"]}
                | {"at_least": rule["at_least"], "note": label}
                | counts
            )
    write_table(pd.DataFrame(rows, columns=list(COLUMNS)).round({"accepted": 4, "mean_score": 4}), output)


def count_outcomes(records: Sequence[ImageRecord], by: str) -> dict[str, float | int | None]:
    """Count the images that were kept, rejected or failed.

    Args:
        records: of generated images.
        by: scorer that decided, `clip` or `teacher`.

    Returns:
        Counts; `accepted`, kept / (kept + rejected), 0 to 1; and `mean_score`, the mean probability of the class over
        the scored images, 0 to 1. The last two are None without such images.
    """
    kept = sum(not record.failure for record in records)
    rejected = sum(reason_kind(record.failure) == "rejected" for record in records)
    scores = [score for record in records if (score := getattr(record, f"{by}_score")) >= 0]
    return {
        "tried": len(records),
        "kept": kept,
        "rejected": rejected,
        "failed": len(records) - kept - rejected,
        "accepted": kept / (kept + rejected) if kept + rejected else None,
        "mean_score": sum(scores) / len(scores) if scores else None,
    }
