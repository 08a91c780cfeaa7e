"""Contact sheets: what a source's kept images look like, class by class, and how many were dropped.

Pillow, numpy and pyarrow only: a sheet is made beside crawls and generations, where nothing heavier is at hand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from distillery.jobs import UserError
from distillery.storage.files import atomic_path

COLUMNS = 12  # images shown of a class at most
TILE = 76  # pixels a side that images are enlarged to, about
GAP, ROW_GAP, EDGE = 6, 16, 24  # pixels between images, between classes, and around the sheet
LINE = 17  # pixels from one line of counts to the next
LEFT, RIGHT = 150, 190  # pixels for the class's name, and for its counts
TITLE, STRIP = 64, 34  # pixels of height
REASONS = 2  # named of a class, the most frequent first
INK, SOFT, PAPER = (34, 34, 34), (102, 102, 102), (255, 255, 255)
NOTE, WARNING = (240, 228, 66), (213, 94, 0)  # Okabe and Ito's yellow and vermilion
RANDOM = "randomly initialized model: these images show nothing"


@dataclass(frozen=True)
class ClassRow:
    """One class of a source: the rows of its kept images, in order, and the reasons of those dropped."""

    name: str
    rows: list[int]
    offered: int
    reasons: list[tuple[str, int]]  # most frequent first

    @property
    def lines(self) -> list[str]:
        """How many were kept, and why others were not."""
        rest = sum(count for _, count in self.reasons[REASONS:])
        lines = [f"kept {len(self.rows):,} of {self.offered:,}"]
        lines += [f"{count:,} {reason}" for reason, count in self.reasons[:REASONS]]
        return lines + [f"{rest:,} otherwise"] * bool(rest)


def class_rows(table: str | Path) -> list[ClassRow]:
    """The classes of a curated table, in its order."""
    columns = pq.read_table(table, columns=["class", "kept", "reason", "row"]).to_pydict()
    names, kept = [str(name) for name in columns["class"]], columns["kept"]
    rows: dict[str, list[int]] = {name: [] for name in names}
    reasons: dict[str, Counter] = {name: Counter() for name in rows}
    for name, is_kept, reason, row in zip(names, kept, columns["reason"], columns["row"], strict=True):
        if is_kept:
            rows[name].append(row)
        else:
            reasons[name][(reason or "unsaid").split(":")[0].split("(")[0].strip()] += 1
    offered = Counter(names)
    order = {name: sorted(reasons[name].items(), key=lambda item: (-item[1], item[0])) for name in rows}
    return [ClassRow(name, rows[name], offered[name], order[name]) for name in rows]


def spread(rows: list[int], count: int = COLUMNS) -> list[int]:
    """At most `count` of `rows`, evenly over their order, since the first results of a search are its best."""
    if len(rows) <= count:
        return list(rows)
    return [rows[i * len(rows) // count] for i in range(count)]


def contact_sheet(
    pixels: str | Path,
    table: str | Path,
    output: str | Path,
    *,
    source: str,
    title: str,
    label: str = "",
    random_weights: bool = False,
) -> None:
    """Draw one source's sheet as PNG; the same files give the same bytes.

    Args:
        pixels: `.npy` of uint8 [N, S, S, 3].
        table: the curated `.parquet` that says which row is which.
        source: its name, under the title.
        title: the study's.
        label: stands in a strip across the top when not empty.
        random_weights: the images come from a model nobody trained; said in a strip of its own.

    Raises:
        UserError: the table names rows that the pixels lack.
    """
    images = np.load(pixels, mmap_mode="r")
    classes = class_rows(table)
    strips = [Strip(known.name, spread(known.rows), known.lines) for known in classes]
    text = f"source {source}: {_counted(sum(len(c.rows) for c in classes), classes)}"
    _require_rows(images, [row for known in classes for row in known.rows], table, pixels)
    draw_sheet(output, images, strips, title, text, label, random_weights)


def label_issues_sheet(
    pixels: str | Path,
    audit: str | Path,
    output: str | Path,
    *,
    source: str,
    title: str,
    label: str = "",
    random_weights: bool = False,
) -> None:
    """Draw the images whose label the teacher doubts, class by class, the least probable first.

    Args:
        audit: the `.parquet` of `evidence.audit`.
        pixels, output, source, title, label, random_weights: see `contact_sheet`.

    Raises:
        UserError: the table names rows that the pixels lack.
    """
    images = np.load(pixels, mmap_mode="r")
    rows = pq.read_table(audit, columns=["class", "row", "p_claimed", "likely", "is_label_issue"]).to_pylist()
    strips = []
    for name in dict.fromkeys(row["class"] for row in rows):
        doubted = [row for row in rows if row["class"] == name and row["is_label_issue"]]
        doubted.sort(key=lambda row: (row["p_claimed"], row["row"]))
        takes_for = Counter(row["likely"] for row in doubted).most_common(REASONS)
        lines = [f"{len(doubted):,} doubted of {sum(row['class'] == name for row in rows):,}"]
        lines += [f"{count:,} taken for {other}" for other, count in takes_for]
        strips.append(Strip(name, [row["row"] for row in doubted[:COLUMNS]], lines))
    text = (
        f"source {source}: labels the teacher doubts, {sum(row['is_label_issue'] for row in rows):,} of {len(rows):,}"
    )
    _require_rows(images, [row["row"] for row in rows], audit, pixels)
    draw_sheet(output, images, strips, title, text, label, random_weights)


@dataclass(frozen=True)
class Strip:
    """One row of a sheet: its name, its images as rows of an array, and what is said at the right."""

    name: str
    rows: list[int]
    lines: list[str]


def _require_rows(images: np.ndarray, rows: list[int], table: str | Path, pixels: str | Path) -> None:
    last = max(rows, default=-1)
    if last >= len(images):
        raise UserError(f"{table} names row {last} of {pixels}, which has {len(images)}. Delete both and run again.")


def draw_sheet(
    output: str | Path,
    images: np.ndarray,
    strips: list[Strip],
    title: str,
    text: str,
    label: str = "",
    random_weights: bool = False,
) -> None:
    """Draw rows of images as PNG; the same arguments give the same bytes.

    Args:
        images: uint8 [N, S, S, 3].
        strips: the rows, of at most `COLUMNS` images each.
        title, text: the heading and what stands below it.
        label, random_weights: see `contact_sheet`.
    """
    factor = max(1, round(TILE / images.shape[1]))
    bands = [(label, NOTE, INK)] * bool(label) + [(RANDOM, WARNING, PAPER)] * random_weights
    sheet = _empty(len(strips), factor * images.shape[1], bands)
    y = len(bands) * STRIP
    _heading(sheet, y, title, text)
    y += TITLE + EDGE
    for strip in strips:
        _strip(sheet, y, strip, images, factor)
        y += factor * images.shape[1] + ROW_GAP
    with atomic_path(output) as temporary:
        sheet.save(temporary, format="PNG")


def _counted(kept: int, classes: list[ClassRow]) -> str:
    return f"kept {kept:,} of {sum(known.offered for known in classes):,} candidates"


def _empty(rows: int, tile: int, bands: list[tuple[str, tuple, tuple]]) -> Image.Image:
    """Paper of the right size, with the bands across its top."""
    width = EDGE + LEFT + COLUMNS * (tile + GAP) + RIGHT + EDGE
    height = len(bands) * STRIP + TITLE + EDGE + max(1, rows) * (tile + ROW_GAP) + EDGE
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (text, ground, ink) in enumerate(bands):
        draw.rectangle((0, i * STRIP, width, (i + 1) * STRIP - 1), fill=ground)
        draw.text((width / 2, (i + 0.5) * STRIP), text, fill=ink, font=_font(18), anchor="mm")
    return sheet


def _heading(sheet: Image.Image, y: int, title: str, text: str) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text(
        (EDGE, y + EDGE), _fitted(title, _font(26), sheet.width - 2 * EDGE), fill=INK, font=_font(26), anchor="lt"
    )
    draw.text((EDGE, y + EDGE + 34), text, fill=SOFT, font=_font(16), anchor="lt")


def _strip(sheet: Image.Image, y: int, strip: Strip, images: np.ndarray, factor: int) -> None:
    draw = ImageDraw.Draw(sheet)
    tile = factor * images.shape[1]
    draw.text((EDGE, y + tile / 2), _fitted(strip.name, _font(18), LEFT - GAP), fill=INK, font=_font(18), anchor="lm")
    for i, row in enumerate(strip.rows[:COLUMNS]):
        # nearest: the very pixels the networks see
        image = Image.fromarray(np.asarray(images[row])).resize((tile, tile), Image.Resampling.NEAREST)
        sheet.paste(image, (EDGE + LEFT + i * (tile + GAP), y))
    x = EDGE + LEFT + COLUMNS * (tile + GAP) + GAP
    top = y + tile / 2 - LINE * (len(strip.lines) - 1) / 2
    for i, text in enumerate(strip.lines):
        ink, font = (SOFT, _font(13)) if i else (INK, _font(16))
        draw.text((x, top + LINE * i), _fitted(text, font, RIGHT - GAP), fill=ink, font=font, anchor="lm")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's DejaVu, found without importing that: Pillow's own font has no letter beyond ASCII."""
    fonts = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(fonts / "DejaVuSans.ttf", size)


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """`text`, cut at its end to `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
