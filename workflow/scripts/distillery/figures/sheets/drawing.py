"""Draws any kind of sheet of a source's images, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distillery.figures.sheets.audit_sheets import kinds_sheet, label_issues_sheet
from distillery.figures.sheets.contact_sheets import SheetHeading, contact_sheet
from distillery.figures.sheets.duplicate_sheets import duplicates_sheet
from distillery.figures.sheets.left_out_sheets import left_out_sheet
from distillery.figures.sheets.rejected_sheets import rejected_sheet


def draw_sheet(
    kind: str,
    files: Mapping[str, Any],
    output: str | Path,
    *,
    side: int,
    source: str,
    title: str,
    label: str = "",
    random_weights: bool = False,
) -> None:
    """Draw a sheet of one source's images as PNG.

    Args:
        kind: `contact`, `label_issues`, `duplicates`, `kinds`, `rejected` or `left_out`.
        files: the input files of this kind, by name (`config.targets.report_files.sheet_inputs`).
        output: the PNG to write.
        side: height and width of the study's images, pixels.
        source, title, label, random_weights: see `contact_sheets.SheetHeading`.

    Raises:
        UserError: a table names rows that the pixels lack.
        KeyError: the kind is unknown, or a file is missing.
    """
    heading = SheetHeading(source, title, label, random_weights)
    if kind == "duplicates":
        duplicates_sheet(_pools(files), files["table"], output, heading, side=side)
    elif kind == "label_issues":
        label_issues_sheet(files["pixels"], files["table"], files["own_test"], output, heading)
    elif kind == "contact":
        contact_sheet(files["pixels"], files["table"], output, heading)
    elif kind == "rejected":
        rejected_sheet(files, output, heading, side=side)
    elif kind == "kinds":
        kinds_sheet(files["pixels"], files["table"], output, heading)
    elif kind == "left_out":
        left_out_sheet(files["pixels"], files["table"], output, heading)
    else:
        raise KeyError(kind)


def _pools(files: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    return list(zip(files["shards"], files["records"], strict=True))
