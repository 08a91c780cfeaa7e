"""The names of the files of the report: figures, tables and sheets of images.

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

# tables on the page, in the order in which it shows them
PAGE_TABLES = (
    "summary", "comparisons", "ranking", "test_sources", "per_class", "published", "calibration", "agreement",
    "confusion", "counts", "teacher", "leakage", "audit", "diversity", "costs", "runs", "curves", "reliability",
)  # fmt: skip
# kinds of sheets
SHEETS = ("contact", "label_issues", "duplicates", "kinds")  # for sources with labels
UNAUDITED = ("contact", "duplicates", "kinds")  # for sources whose labels are not audited
REJECTED = "rejected"  # for sources with a filter: the images that it rejected
LEFT_OUT = "left_out"  # for sources that the teacher labels: the images that it is unsure about


def read_figures(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read figures.yaml: the title, category and tables of each figure, by its name."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def tables_of_filters(study: Study) -> list[str]:
    """The table of how many generated images were kept; none in a study without filtered sources."""
    return tables("acceptance") if filtered_sources(study) else []


def figures(names: Iterable[str], *formats: str) -> list[str]:
    """The files of figures in each format (svg, png)."""
    return [f"results/figures/{name}.{extension}" for name, extension in product(names, formats)]


def tables(*names: str) -> list[str]:
    """The files of tables."""
    return [f"results/tables/{name}.csv" for name in names]


def sheets(study: Study) -> list[str]:
    """The files of all sheets of images."""
    pairs = product((*SHEETS, LEFT_OUT, REJECTED), used_sources(study))
    return [f"results/figures/{kind}_{source}.png" for kind, source in pairs if kind in _kinds_of(study, source)]


def _kinds_of(study: Study, source: str) -> tuple[str, ...]:
    """The kinds of sheets of a source. The teacher does not audit labels that it gave itself."""
    labels = study["sources"][source].get("labels")
    if "keep" in study["sources"][source]:
        return (*SHEETS, REJECTED)
    return {"teacher": (*UNAUDITED, LEFT_OUT), "none": UNAUDITED}.get(labels, SHEETS)


def sheet_inputs(study: Study, kind: str, source: str) -> dict[str, str | list[str]]:
    """The inputs of a sheet of a source's images."""
    if kind == "duplicates":  # only the pools have the dropped images
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
    """The sheets of the teacher's sources. Their labels are not audited, since they come from the search."""
    shown = product(UNAUDITED, teacher_sources(study, "train", "test"))
    return [f"results/figures/{kind}_{source}.png" for kind, source in shown]
