"""Sheets of images that got no label from the teacher."""

from __future__ import annotations

from pathlib import Path

from distillery.figures.sheets.contact_sheets import SheetHeading, Strip, evenly_spaced, require_rows, save_sheet
from distillery.storage.arrays import map_pixels
from distillery.storage.parquet import read_rows
from distillery.wording import plural


def left_out_sheet(pixels: str | Path, table: str | Path, output: str | Path, heading: SheetHeading) -> None:
    """Draw the images that got no label from the teacher, by the class it finds likeliest, the likeliest first.

    Args:
        pixels: `.npy` of the images without labels, uint8 [N, S, S, 3].
        table: the `.parquet` of `distillation.teacher_labels`.
        output: the PNG to write.

    Raises:
        UserError: the table names rows that the pixels lack.
    """
    images = map_pixels(pixels)
    rows = read_rows(table, ["class", "row", "probability", "kept"])
    strips = []
    for name in dict.fromkeys(sorted(row["class"] for row in rows)):
        mine = [row for row in rows if row["class"] == name]
        out = sorted((row for row in mine if not row["kept"]), key=lambda row: (-row["probability"], row["row"]))
        lines = [f"{len(out):,} left out of {len(mine):,}"]
        if out:
            lines.append(f"probability {out[-1]['probability']:.2f} to {out[0]['probability']:.2f}")
        strips.append(Strip(name, evenly_spaced([row["row"] for row in out]), lines))
    count = sum(not row["kept"] for row in rows)
    text = f"{count:,} of {plural(len(rows), 'image')} left out: the teacher is unsure of their class"
    require_rows(images, [row["row"] for row in rows], table, pixels)
    save_sheet(output, images, strips, "Images of {source} without a label", text, heading)
