"""Creates empty figures, laid out in inches: a grid of equal panels, or one panel with a row per name.

Figures grow with their content, so they are readable with two arms and with ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillery.figures.layout import (
    draw_legend,
    draw_title_block,
    legend_columns,
    legend_names,
    strip_height,
    text_width,
)
from distillery.figures.styles import INK, WIDTH

# inches
TITLE_HEIGHT = 0.95  # of the title and the text below it
EDGE = 0.3  # between text and the figure's edge
MIN_WIDTH = 7.5
LEGEND_ROW = 0.19

ROW_MARGINS = {"left": 1.7, "right": 0.6, "below": 0.7, "above": 1.4}  # minimum inches around the axes of a `RowFigure`
ROW_LEGEND_ROW = 0.17  # inches of each row of its legend after the second
ROW_LEGEND: dict[str, Any] = {
    "frameon": False, "fontsize": 8, "handlelength": 1.2, "columnspacing": 1.2, "borderaxespad": 0,
}  # fmt: skip


@dataclass(frozen=True)
class PanelLayout:
    """Sizes in inches of panels, gaps and margins of a figure.

    Attributes:
        width, height: size of a panel.
        across, down: gaps between columns and between rows of panels.
        left, below, right: margins of the figure.
        legend: space between the title block and the panels; grows if the legend needs more.
    """

    width: float
    height: float
    across: float = 0.35
    down: float = 0.55
    left: float = 0.9
    below: float = 0.7
    legend: float = 0.0
    right: float = EDGE


def panel_grid(
    count: int,
    columns: int,
    layout: PanelLayout,
    title: str,
    text: str,
    label: str = "",
    keys: Sequence[Line2D] = (),
    max_legend_columns: int = 6,
) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of empty panels.

    Args:
        count: number of panels.
        columns: panels per row, at most.
        layout: sizes in inches.
        title, text: the heading and the line below it.
        label: text of a strip across the top; no strip if empty.
        keys: entries of a legend below the heading.
        max_legend_columns: columns of that legend, at most.

    Returns:
        The figure, and its panels row by row.
    """
    columns = max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    width = layout.left + columns * layout.width + (columns - 1) * layout.across + layout.right
    width = max(width, MIN_WIDTH)
    body = rows * layout.height + (rows - 1) * layout.down
    legend = legend_columns(legend_names(keys), width - EDGE - 0.1, max_legend_columns)
    room = max(layout.legend, 0.11 + LEGEND_ROW * -(-len(keys) // legend)) if keys else layout.legend
    top = strip_height(label) + TITLE_HEIGHT + room + 0.3
    height = top + body + layout.below
    figure = plt.figure(figsize=(width, height))
    draw_title_block(figure, title, text, label)
    if keys:
        draw_legend(figure, keys, (EDGE / width, 1 - (strip_height(label) + 0.84) / height), legend)
    axes = []
    for place in range(count):
        row, column = divmod(place, columns)
        x = layout.left + column * (layout.width + layout.across)
        y = height - top - row * (layout.height + layout.down) - layout.height
        axes.append(figure.add_axes((x / width, y / height, layout.width / width, layout.height / height)))
    return figure, axes


def panel_title(axes: Axes, text: str, points: float = 9.5) -> None:
    """Write a panel's name above its left edge."""
    axes.set_title(text, fontsize=points, loc="left", color=INK, pad=5)
    axes.tick_params(labelsize=8, length=0)


class RowFigure:
    """An empty figure of one panel with a row per name. It grows with its rows, legend and longest name.

    Args:
        names: names of the rows; each is one line in a font of 9 points.
        row: inches of each row.
        keys: entries of the legend.
        max_columns: columns of the legend, at most.
        label: text of a strip across the top; no strip if empty.

    Attributes:
        figure, axes: the figure and its panel.
    """

    def __init__(self, names: Sequence[str], row: float, keys: Sequence[str], max_columns: int, label: str):
        self.label = label
        self.columns = legend_columns(keys, WIDTH - 0.4, max_columns, points=8, handle=1.5, spacing=1.2)
        more = ROW_LEGEND_ROW * max(0, -(-len(keys) // self.columns) - 2)
        rows = row * len(names)
        left = max(ROW_MARGINS["left"], 0.25 + max(text_width(name, 9) for name in names))
        below, right = ROW_MARGINS["below"], ROW_MARGINS["right"]
        self.height = strip_height(label) + ROW_MARGINS["above"] + more + rows + below
        self.figure = plt.figure(figsize=(WIDTH, self.height))
        box = (left / WIDTH, below / self.height, (WIDTH - left - right) / WIDTH, rows / self.height)
        self.axes = self.figure.add_axes(box)

    def add_title_and_legend(self, title: str, text: str, handles: Sequence[Artist] | None = None) -> None:
        """Draw the title, a line of text below it, and the legend.

        Args:
            title, text: the heading and the line below it.
            handles: entries of the legend; all labeled artists by default.
        """
        strip = draw_title_block(self.figure, title, text, self.label)
        options: dict[str, Any] = ROW_LEGEND | {"loc": "upper left", "ncols": self.columns}
        if handles is not None:
            options["handles"] = handles
        self.figure.legend(bbox_to_anchor=(0.3 / WIDTH, 1 - (strip + 0.84) / self.height), **options)
