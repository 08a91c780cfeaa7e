"""The place of each output in Snakemake's own report: category, subcategory, labels and caption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

SHEETS = "results/figures/{kind}_{source}.png"
SHEET_NAMES = {
    "contact": "Kept images",
    "duplicates": "Near-duplicates",
    "kinds": "Kinds of image",
    "label_issues": "Labels that are probably wrong",
    "rejected": "Rejected: the class is not recognized",
    "left_out": "Left out: the teacher is unsure",
}


def place_in_report(
    path: str, charts: Mapping[str, Mapping[str, Any]], places: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The arguments of Snakemake's `report` for an output.

    Args:
        path: of the output, as its rule writes it, with wildcards.
        charts: content of figures.yaml.
        places: content of places.yaml.

    Returns:
        caption, category, subcategory (None for none), and labels, or a function that makes labels from wildcards.

    Raises:
        KeyError: the path is in neither file.
    """
    labels: Any
    if path in places:
        place = places[path]
        labels, caption = sheet_labels if path == SHEETS else place["labels"], place["caption"]
    else:
        file = PurePosixPath(path)
        place = charts[file.stem]
        # with these labels the report shows each chart once, with a switch between the two formats
        labels = {"chart": place["title"], "format": file.suffix[1:].upper()}
        caption = f"figure_{file.stem}.rst"
    return {
        "caption": f"../report/{caption}",
        "category": place["category"],
        "subcategory": place.get("subcategory"),
        "labels": labels,
    }


def sheet_labels(wildcards: Any) -> dict[str, str]:
    """The labels of a sheet of images."""
    return {"source": wildcards.source, "sheet": SHEET_NAMES[wildcards.kind]}
