"""The attribution table: creator, license and origin of every image that students or the teacher were trained on or
tested on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from distillery.analysis.study_tables.plan_images import used_images
from distillery.analysis.table_files import write_table
from distillery.storage.texts import clean_address, clean_text

FROM_CURATED = (
    "source", "class", "key", "kind", "title", "creator", "license", "page", "url", "query", "prompt", "model", "seed",
    "origin",
)  # fmt: skip
FREE_TEXT = ("title", "creator", "license", "query", "prompt")
CELL_LENGTH = 2000  # characters; Python's CSV reader rejects cells of more than 131,072
COLUMNS = ("source", "class", "key", "used", *FROM_CURATED[3:])


def tabulate_attribution(
    curated: Iterable[str | Path],
    plans: Iterable[str | Path],
    teacher: Iterable[str | Path],
    output: str | Path,
    *,
    splits: str | Path,
    tested: Sequence[str],
) -> None:
    """Write the table of images used, with the creator and license that their source states, if any.

    Args:
        curated: `{source}.parquet` of every source that students use.
        plans: `{scenario}.parquet` of every scenario.
        teacher: `{source}.parquet` of the sources that only the teacher uses.
        output: the `.csv` to write, columns as in docs/tables.md, by source and row.
        splits, tested: see `used_images`.
    """
    write_table(attribution_table(curated, used_images(plans, splits, tested), teacher), output)


def attribution_table(
    curated: Iterable[str | Path], used: pd.DataFrame, teacher: Iterable[str | Path] = ()
) -> pd.DataFrame:
    """The rows of `tabulate_attribution`.

    Args:
        curated, teacher: as in `tabulate_attribution`.
        used: from `used_images`.

    Returns:
        The table; column `used` is the image's split, the same in every scenario, or `teacher`.
    """
    used = used.rename(columns={"split": "used"})
    rows = pd.concat([_kept(path) for path in curated], ignore_index=True).merge(used, on=["source", "row"])
    rows = pd.concat([rows, *(_kept(path).assign(used="teacher") for path in teacher)], ignore_index=True)
    for name in FREE_TEXT:
        # a prompt may have several lines; version 0.1 stored titles without cleaning them
        rows[name] = rows[name].map(lambda text: clean_text(str(text), CELL_LENGTH), na_action="ignore")
    rows["page"] = rows["page"].map(clean_address, na_action="ignore")
    rows["seed"] = rows["seed"].map(lambda seed: "" if seed < 0 else str(seed))
    return rows.reindex(columns=list(COLUMNS))


def _kept(path: str | Path) -> pd.DataFrame:
    table = pd.read_parquet(path, columns=["kept", "row", *FROM_CURATED])
    return table[table["kept"].astype(bool)]
