"""Sheets of flagged images among a source's kept ones: likely label errors, and images that are no plain photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distillery.curation.kinds.classifier import KINDS, PHOTO
from distillery.figures.sheets.contact_sheets import COLUMNS, REASONS, SheetHeading, Strip, require_rows, save_sheet
from distillery.storage.arrays import map_pixels
from distillery.storage.parquet import read_rows
from distillery.wording import plural


def label_issues_sheet(
    pixels: str | Path,
    audit: str | Path,
    own_test: str | Path,
    output: str | Path,
    heading: SheetHeading,
) -> None:
    """Draw the images whose label is flagged as a likely error, by class, the least probable label first.

    Percentages flagged among the teacher's own test images are beside those of the source, as a baseline.

    Args:
        pixels, output: see `contact_sheet`.
        audit, own_test: `output` and `own_output` of `data_quality.label_audit.audit_labels`.
        heading: the text above the images.

    Raises:
        UserError: the table names rows that the pixels lack.
    """
    images = map_pixels(pixels)
    rows = read_rows(audit, ["class", "row", "audited", "p_claimed", "likely", "is_label_issue"])
    audited = [row for row in rows if row["audited"]]
    own = read_rows(own_test, ["class", "is_label_issue"])
    strips = []
    for name in dict.fromkeys(row["class"] for row in rows):
        labels = [row for row in audited if row["class"] == name]
        flagged = sorted(
            (row for row in labels if row["is_label_issue"]), key=lambda row: (row["p_claimed"], row["row"])
        )
        likely = Counter(row["likely"] for row in flagged).most_common(REASONS)
        trusted = [row for row in own if row["class"] == name]
        lines = [f"{len(flagged):,} of {len(labels):,} flagged"]
        if labels and trusted:
            lines.append(f"{_percent(labels)}; own test: {_percent(trusted)}")
        lines += [f"{count:,} likely {other}" for other, count in likely]
        strips.append(Strip(name, [row["row"] for row in flagged[:COLUMNS]], lines))
    count = sum(row["is_label_issue"] for row in rows)
    text = f"The teacher flags {count:,} of {plural(len(audited), 'label')}"
    if audited and own:
        text += f" ({_percent(audited)}), and {_percent(own)} of its own {plural(len(own), 'test image')}"
    elif not own:
        text += "; it has no test images of its own to compare with"
    text += ". It sees other classes, not other kinds of image."
    require_rows(images, [row["row"] for row in rows], audit, pixels)
    save_sheet(output, images, strips, "Likely label errors of {source}", text, heading)


def kinds_sheet(pixels: str | Path, table: str | Path, output: str | Path, heading: SheetHeading) -> None:
    """Draw the kept images that curation does not classify as plain photos, by kind, the least probable photo first.

    The last row has the photos with the lowest probability of being one, to show what curation may have missed.

    Args:
        table: the curated `.parquet`.
        pixels, output: see `contact_sheet`.
        heading: the text above the images.

    Raises:
        UserError: the table names rows that the pixels lack.
    """
    images = map_pixels(pixels)
    rows = [row for row in read_rows(table, ["kept", "row", "class", "image_kind", "photo_score"]) if row["kept"]]
    strips = []
    for kind in [*KINDS[1:], PHOTO]:
        of_kind = sorted(
            (row for row in rows if row["image_kind"] == kind), key=lambda row: (row["photo_score"], row["row"])
        )
        if of_kind:
            classes = Counter(row["class"] for row in of_kind).most_common(REASONS)
            lines = [f"{len(of_kind):,} of {len(rows):,}", *(f"{count:,} labeled {name}" for name, count in classes)]
            strips.append(Strip(kind.replace("_", " "), [row["row"] for row in of_kind[:COLUMNS]], lines))
    count = sum(row["image_kind"] != PHOTO for row in rows)
    text = f"{count:,} of {plural(len(rows), 'image')} are probably not photos. About 1 photo in 100 is mistaken,"
    text += " and more than half of the drawings are missed."
    require_rows(images, [row["row"] for row in rows], table, pixels)
    save_sheet(output, images, strips, "Kinds of images of {source}", text, heading)


def _percent(rows: Sequence[dict[str, Any]]) -> str:
    """The percentage of labels that are flagged."""
    return f"{100 * sum(row['is_label_issue'] for row in rows) / len(rows):.0f} %"
