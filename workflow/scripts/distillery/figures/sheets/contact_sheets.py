"""Contact sheets of a source's kept images, by class, with counts and drop reasons; and drawing of all sheets.

Drawing imports only Pillow, numpy and pyarrow, which load faster than Matplotlib and pandas.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from distillery.jobs import UserError
from distillery.storage.arrays import map_pixels
from distillery.storage.files import atomic_path
from distillery.storage.parquet import read_rows
from distillery.storage.retrieved.refusals import refusal_of
from distillery.wording import plural, reason_kind

COLUMNS = 12  # images per row, at most
TILE = 76  # approximate side of a drawn image, pixels
GAP, ROW_GAP, EDGE = 6, 16, 24  # pixels between images, between classes, and around the sheet
LINE = 17  # pixels from one line of counts to the next
LEFT, RIGHT = 150, 190  # pixels for the class's name, and for its counts
TITLE, STRIP = 64, 34  # pixels of height
REASONS = 2  # drop reasons per class that are shown by name, the most frequent first
Color = tuple[int, int, int]
INK, SOFT, PAPER = (34, 34, 34), (102, 102, 102), (255, 255, 255)
NOTE, WARNING = (240, 228, 66), (213, 94, 0)  # Okabe and Ito's yellow and vermilion
MARK = (0, 158, 115)  # the frame; bluish green of Okabe and Ito
RANDOM_WEIGHTS = "random weights: the model was never trained, so its images show nothing"


@dataclass(frozen=True)
class SheetHeading:
    """The text above the images of a sheet.

    Attributes:
        source: name of the source.
        title: title of the study.
        label: text of a strip across the top; no strip if empty.
        random_weights: whether the images come from a model that was never trained; a second strip says so.
    """

    source: str
    title: str
    label: str = ""
    random_weights: bool = False


@dataclass(frozen=True)
class ClassRow:
    """One class of a source.

    Attributes:
        name: name of the class.
        rows: indices of its kept images into the array of pixels, in order.
        candidates: number of images found, kept or dropped.
        reasons: drop reasons with their counts, the most frequent first.
        refused: reason why the source refused the class; empty if it did not.
    """

    name: str
    rows: list[int]
    candidates: int
    reasons: list[tuple[str, int]]
    refused: str = ""

    @property
    def lines(self) -> list[str]:
        """Lines of text on the sheet: number of images kept, and drop reasons."""
        if self.refused:
            return ["refused:", self.refused]
        rest = sum(count for _, count in self.reasons[REASONS:])
        lines = [f"kept {len(self.rows):,} of {self.candidates:,}"]
        lines += [f"{count:,} {reason}" for reason, count in self.reasons[:REASONS]]
        return lines + [f"{rest:,} for other reasons"] * bool(rest)


def class_rows(table: str | Path) -> list[ClassRow]:
    """The classes of a curated `.parquet` table, in its order."""
    rows: dict[str, list[int]] = {}
    reasons: dict[str, Counter[str]] = {}
    candidates: Counter[str] = Counter()
    refused: dict[str, str] = {}
    for candidate in read_rows(table, ["class", "kept", "reason", "row"]):
        name, reason = candidate["class"], candidate["reason"]
        kept, dropped = rows.setdefault(name, []), reasons.setdefault(name, Counter())
        if refusal := refusal_of(reason or ""):  # a refusal is no candidate
            refused[name] = refusal
            continue
        candidates[name] += 1
        if candidate["kept"]:
            kept.append(candidate["row"])
        else:
            dropped[reason_kind(reason or "no reason given")] += 1
    order = {name: sorted(reasons[name].items(), key=lambda item: (-item[1], item[0])) for name in rows}
    return [ClassRow(name, rows[name], candidates[name], order[name], refused.get(name, "")) for name in rows]


def evenly_spaced(rows: list[int], count: int = COLUMNS) -> list[int]:
    """At most `count` of `rows`, at even steps of their order; the first results of a search are its best ones."""
    if len(rows) <= count:
        return list(rows)
    return [rows[i * len(rows) // count] for i in range(count)]


def contact_sheet(pixels: str | Path, table: str | Path, output: str | Path, heading: SheetHeading) -> None:
    """Draw a source's kept images as PNG, a row per class; the same files give the same bytes.

    Args:
        pixels: `.npy` of uint8 [N, S, S, 3].
        table: the curated `.parquet`, with the class of each row.
        output: the PNG to write.
        heading: the text above the images.

    Raises:
        UserError: the table names rows that the pixels lack.
    """
    images = map_pixels(pixels)
    classes = class_rows(table)
    strips = [Strip(row.name, evenly_spaced(row.rows), row.lines) for row in classes]
    kept, candidates = sum(len(row.rows) for row in classes), sum(row.candidates for row in classes)
    text = f"kept {kept:,} of {plural(candidates, 'candidate')}"
    require_rows(images, [place for row in classes for place in row.rows], table, pixels)
    save_sheet(output, images, strips, "Kept images of {source}", text, heading)


@dataclass(frozen=True)
class Strip:
    """One row of a sheet.

    Attributes:
        name: text at the left.
        rows: indices of its images into the array of pixels.
        lines: lines of text at the right.
        marked: number of images, from the left, that have a frame.
    """

    name: str
    rows: list[int]
    lines: list[str]
    marked: int = 0


def require_rows(images: np.ndarray, rows: list[int], table: str | Path, pixels: str | Path) -> None:
    """Raise a `UserError` if a row of a table has no image in the array of pixels.

    Args:
        images: uint8 [N, S, S, 3].
        rows: indices that the table names.
        table, pixels: the files, for the message.
    """
    last = max(rows, default=-1)
    if last >= len(images):
        raise UserError(f"{table} names row {last} of {pixels}, which has {len(images)}. Delete both and run again.")


def save_sheet(
    output: str | Path,
    images: np.ndarray,
    strips: list[Strip],
    what: str,
    text: str,
    heading: SheetHeading,
) -> None:
    """Draw a sheet of image rows as PNG; the same arguments give the same bytes.

    Args:
        output: the PNG to write.
        images: uint8 [N, S, S, 3].
        strips: the rows, of at most `COLUMNS` images each.
        what: description of the images, with `{source}` in place of the source's name.
        text: the line below the heading.
        heading: the text above the images.
    """
    side = images.shape[1]
    tile = max(1, round(TILE / side)) * side if side <= TILE else TILE
    bands = [(heading.label, NOTE, INK)] * bool(heading.label)
    bands += [(RANDOM_WEIGHTS, WARNING, PAPER)] * heading.random_weights
    sheet = _empty_sheet(len(strips), tile, bands)
    y = len(bands) * STRIP
    _draw_heading(sheet, y, f"{what.format(source=heading.source)}: {heading.title}", text)
    y += TITLE + EDGE
    for strip in strips:
        _draw_image_row(sheet, y, strip, images, tile)
        y += tile + ROW_GAP
    with atomic_path(output) as temporary:
        sheet.save(temporary, format="PNG")


def _empty_sheet(rows: int, tile: int, bands: list[tuple[str, Color, Color]]) -> Image.Image:
    """A blank sheet with bands across its top; a band is its text, background color and text color."""
    width = EDGE + LEFT + COLUMNS * (tile + GAP) + RIGHT + EDGE
    height = len(bands) * STRIP + TITLE + EDGE + max(1, rows) * (tile + ROW_GAP) + EDGE
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (text, ground, ink) in enumerate(bands):
        draw.rectangle((0, i * STRIP, width, (i + 1) * STRIP - 1), fill=ground)
        draw.text((width / 2, (i + 0.5) * STRIP), text, fill=ink, font=_font(18), anchor="mm")
    return sheet


def _draw_heading(sheet: Image.Image, y: int, title: str, text: str) -> None:
    draw = ImageDraw.Draw(sheet)
    title = _truncate(title, _font(26), sheet.width - 2 * EDGE)
    draw.text((EDGE, y + EDGE), title, fill=INK, font=_font(26), anchor="lt")
    draw.text((EDGE, y + EDGE + 34), text, fill=SOFT, font=_font(16), anchor="lt")


def _draw_image_row(sheet: Image.Image, y: int, strip: Strip, images: np.ndarray, tile: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((EDGE, y + tile / 2), _truncate(strip.name, _font(18), LEFT - GAP), fill=INK, font=_font(18), anchor="lm")
    for i, row in enumerate(strip.rows[:COLUMNS]):
        # nearest neighbor shows the pixels that the networks see; larger images are reduced
        enlarged = Image.Resampling.NEAREST if images.shape[1] <= tile else Image.Resampling.LANCZOS
        image = Image.fromarray(np.asarray(images[row])).resize((tile, tile), enlarged)
        x = EDGE + LEFT + i * (tile + GAP)
        if i < strip.marked:
            frame = GAP // 2
            draw.rectangle((x - frame, y - frame, x + tile + frame - 1, y + tile + frame - 1), fill=MARK)
        sheet.paste(image, (x, y))
    x = EDGE + LEFT + COLUMNS * (tile + GAP) + GAP
    top = y + tile / 2 - LINE * (len(strip.lines) - 1) / 2
    for i, text in enumerate(strip.lines):
        ink, font = (SOFT, _font(13)) if i else (INK, _font(16))
        draw.text((x, top + LINE * i), _truncate(text, font, RIGHT - GAP), fill=ink, font=font, anchor="lm")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The DejaVu font in Matplotlib's files, without importing Matplotlib; Pillow's own font has only ASCII letters."""
    matplotlib = find_spec("matplotlib")
    if matplotlib is None or matplotlib.origin is None:
        raise UserError("Matplotlib is not installed, so its fonts are missing. Install the report environment.")
    fonts = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(fonts / "DejaVuSans.ttf", size)


def _truncate(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """`text`, with its end cut off if it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
