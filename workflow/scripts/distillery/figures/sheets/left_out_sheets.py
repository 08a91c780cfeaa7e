"""Sheets of images that the teacher did not label, because it is unsure of their class."""

from __future__ import annotations

from pathlib import Path

from distillery.figures.sheets.contact_sheets import SheetHeading, Strip, evenly_spaced, require_rows, save_sheet
from distillery.storage.arrays import map_pixels
from distillery.storage.parquet import read_rows
from distillery.wording import plural


def left_out_sheet(pixels: str | Path, table: str | Path, output: str | Path, heading: SheetHeading) -> None:
    """Draw the images that the teacher did not label, by most probable class, the most probable image first.

    Args:
        pixels: `.npy` of the images without labels, uint8 [N, S, S, 3].
        table: the `.parquet` of `distillation.teachers.labels`.
        output: the PNG to write.
        heading: the text above the images.

    Raises:
        UserError: the table names rows that the pixels lack.
    """
    images = map_pixels(pixels)
    rows = read_rows(table, ["class", "row", "probability", "kept"])
    strips = []
    for name in dict.fromkeys(sorted(row["class"] for row in rows)):
        of_class = [row for row in rows if row["class"] == name]
        left_out = sorted(
            (row for row in of_class if not row["kept"]), key=lambda row: (-row["probability"], row["row"])
        )
        lines = [f"{len(left_out):,} left out of {len(of_class):,}"]
        if left_out:
            lines.append(f"probability {left_out[-1]['probability']:.2f} to {left_out[0]['probability']:.2f}")
        strips.append(Strip(name, evenly_spaced([row["row"] for row in left_out]), lines))
    count = sum(not row["kept"] for row in rows)
    text = f"{count:,} of {plural(len(rows), 'image')} left out: the teacher is unsure of their class"
    require_rows(images, [row["row"] for row in rows], table, pixels)
    save_sheet(output, images, strips, "Images of {source} without a label", text, heading)
