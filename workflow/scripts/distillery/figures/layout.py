"""Lays out a figure's text so that it fits: text widths, shortened names, title block, footnote and legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import TextPath

from distillery.figures.styles import SOFT

MIN_FONT = 8  # points
STRIP_HEIGHT = 0.36  # inches of the strip across the top with the study's label
STRIP_COLOR = "#F0E442"


def strip_height(label: str) -> float:
    """Height in inches of the strip across the top; 0 without a label."""
    return STRIP_HEIGHT if label else 0.0


def draw_title_block(figure: Figure, title: str, text: str, label: str) -> float:
    """Draw the label's strip, the title, and one line of text below it.

    Returns:
        Height in inches of the strip, 0 without a label.
    """
    width, height = figure.get_size_inches()
    strip = _draw_strip(figure, height, label)
    left = 0.3 / width
    heading = figure.text(left, 1 - (strip + 0.36) / height, title, fontsize=15, fontweight="bold", va="center")
    below = figure.text(left, 1 - (strip + 0.66) / height, text, fontsize=9.5, color=SOFT, va="center")
    for each in (heading, below):
        shrink_to_fit(figure, each, width - 0.6)
    return strip


def draw_footnote(figure: Figure, text: str) -> None:
    """Draw a line of small text at the bottom; nothing if the text is empty."""
    if text:
        width, height = figure.get_size_inches()
        note = figure.text(0.3 / width, 0.03 / height, text, fontsize=8, color=SOFT, va="bottom")
        shrink_to_fit(figure, note, width - 0.6)


def _draw_strip(figure: Figure, height: float, label: str) -> float:
    strip = strip_height(label)
    if label:
        corner = (0, 1 - strip / height)
        figure.add_artist(plt.Rectangle(corner, 1, strip / height, color=STRIP_COLOR, transform=figure.transFigure))
        figure.text(0.5, 1 - strip / 2 / height, label, ha="center", va="center", fontsize=10.5, fontweight="bold")
    return strip


def shrink_to_fit(figure: Figure, text: Text, inches: float) -> None:
    """Reduce a text's font size until it fits into a width; if `MIN_FONT` points are too wide, truncate the text."""
    canvas = cast(FigureCanvasAgg, figure.canvas)

    def font_size() -> float:
        return float(text.get_fontsize())

    def fitting_fraction() -> float:
        return inches * figure.dpi / text.get_window_extent(canvas.get_renderer()).width

    while fitting_fraction() < 1 and font_size() > MIN_FONT:  # font hinting makes widths not proportional to font size
        text.set_fontsize(max(MIN_FONT, 0.99 * fitting_fraction() * font_size()))
    if fitting_fraction() < 1:
        full = text.get_text()
        text.set_text(full[: int(0.97 * fitting_fraction() * len(full)) - 1].rstrip() + "…")


def truncate(text: str, length: int) -> str:
    """`text`, cut to at most `length` characters; an ellipsis replaces the end."""
    return text if len(text) <= length else text[: length - 1] + "…"


def text_width(text: str, points: float) -> float:
    """Width of a line of text in inches, plus 5 %, because hinted letters are wider than their outlines.

    Args:
        text: one line.
        points: font size.
    """
    return 1.05 * TextPath((0, 0), text, size=points).get_extents().width / 72 if text.strip() else 0.0


def legend_columns(
    names: Sequence[str],
    inches: float,
    max_columns: int,
    points: float = 8.5,
    handle: float = 2.0,
    spacing: float = 1.4,
) -> int:
    """The largest number of legend columns that fit into a width, at least 1.

    Args:
        names: the legend's entries.
        inches: the width.
        max_columns: upper limit.
        points: font size.
        handle, spacing: Matplotlib's `handlelength` and `columnspacing`, in font sizes.
    """
    em = points / 72
    widths = [text_width(name, points) + (handle + 0.5) * em for name in names]
    for columns in range(max_columns, 1, -1):
        widest = [part.max() for part in np.array_split(widths, columns) if len(part)]  # legends fill column by column
        if sum(widest) + (len(widest) - 1) * spacing * em <= inches:
            return columns
    return 1


def legend_names(handles: Sequence[Line2D]) -> list[str]:
    """The labels of a legend's entries."""
    return [str(handle.get_label()) for handle in handles]


def draw_legend(figure: Figure, handles: Sequence[Line2D], place: tuple[float, float], columns: int) -> Any:
    """Draw a legend with its upper left corner at `place`, in fractions of the figure's size."""
    return figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=place, ncols=columns, frameon=False, fontsize=8.5,
        handletextpad=0.5, columnspacing=1.4, borderaxespad=0, borderpad=0,
    )  # fmt: skip
