"""The files of the report: figures, tables and sheets.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from distillery.config.queries.source_queries import Study, filtered_sources, teacher_sources, used_sources
from distillery.config.targets.image_files import pools, rejected_files

# in the order in which the page shows them
PAGE_TABLES = (
    "summary", "comparisons", "ranking", "test_sources", "per_class", "published", "calibration", "agreement",
    "confusion", "counts", "teacher", "leakage", "audit", "diversity", "costs", "runs", "curves", "reliability",
)  # fmt: skip
SHEETS = ("contact", "label_issues", "duplicates", "kinds")  # of a source with labels
UNAUDITED = ("contact", "duplicates", "kinds")  # of one whose labels are not audited
REJECTED = "rejected"  # of one whose images are chosen: those that were not
LEFT_OUT = "left_out"  # of one that the teacher labels: images it is unsure about


def read_figures(path: str | Path) -> dict[str, dict[str, Any]]:
    """The figures that `plot` draws into results/figures: by name the title, category and tables."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def tables_of_filters(study: Study) -> list[str]:
    """The table of how many images were chosen; none in a study without such sources."""
    return tables("acceptance") if filtered_sources(study) else []


def figures(names: Iterable[str], *formats: str) -> list[str]:
    """Figures in each format."""
    return [f"results/figures/{name}.{extension}" for name, extension in product(names, formats)]


def tables(*names: str) -> list[str]:
    """Tables by name."""
    return [f"results/tables/{name}.csv" for name in names]


def sheets(study: Study) -> list[str]:
    """Every kind of sheet of every source's images."""
    pairs = product((*SHEETS, LEFT_OUT, REJECTED), used_sources(study))
    return [f"results/figures/{kind}_{source}.png" for kind, source in pairs if kind in _kinds_of(study, source)]


def _kinds_of(study: Study, source: str) -> tuple[str, ...]:
    """The kinds of sheets of a source: labels that the teacher gave are not audited by it."""
    labels = study["sources"][source].get("labels")
    if "keep" in study["sources"][source]:
        return (*SHEETS, REJECTED)
    return {"teacher": (*UNAUDITED, LEFT_OUT), "none": UNAUDITED}.get(labels, SHEETS)


def sheet_inputs(study: Study, kind: str, source: str) -> dict[str, str | list[str]]:
    """What a sheet of a source's images is drawn from."""
    if kind == "duplicates":  # dropped images are in the pools alone
        shards, records = pools(study, source, "tar"), pools(study, source, "jsonl")
        return {"shards": shards, "records": records, "table": f"results/curated/{source}.parquet"}
    if kind == REJECTED:
        return {**rejected_files(study, source), "records": pools(study, source, "jsonl")}
    if kind == LEFT_OUT:
        return {"pixels": f"results/unlabeled/{source}.npy", "table": f"results/labels/{source}.parquet"}
    pixels = f"results/curated/{source}.npy"
    if kind == "label_issues":
        audit = f"results/audit/{source}"
        return {"pixels": pixels, "table": f"{audit}.parquet", "own_test": f"{audit}.own_test.parquet"}
    return {"pixels": pixels, "table": f"results/curated/{source}.parquet"}


def sheets_of_teacher(study: Study) -> list[str]:
    """Sheets of the teacher's own sources, whose labels are only as good as the search."""
    shown = product(UNAUDITED, teacher_sources(study, "train", "test"))
    return [f"results/figures/{kind}_{source}.png" for kind, source in shown]
