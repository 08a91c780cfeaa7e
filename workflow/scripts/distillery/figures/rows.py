"""A figure of one row a name: how large it is, where its axes lie, and the title and legend above them."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist

from distillery.figures.summary import WIDTH, band_height, legend_columns, plt, text_width, title_block

LEFT, RIGHT, BOTTOM, TOP = 1.7, 0.6, 0.7, 1.4  # inches around the axes, at least
LEGEND_ROW = 0.17  # inches of each of the legend's rows after the second
LEGEND = {"frameon": False, "fontsize": 8, "handlelength": 1.2, "columnspacing": 1.2, "borderaxespad": 0}


class RowFigure:
    """An empty figure, as high as its rows and its legend need, its left margin as wide as its longest name.

    Args:
        names: of the rows, as they will be written, each a line of 9 points.
        row: inches of each.
        keys: what the legend will say.
        columns: of the legend, at most.
        label: stands in a strip across the top when not empty.
    """

    def __init__(self, names: Sequence[str], row: float, keys: Sequence[str], columns: int, label: str):
        self.label = label
        self.columns = legend_columns(keys, WIDTH - 0.4, columns, points=8, handle=1.5, spacing=1.2)
        more = LEGEND_ROW * max(0, -(-len(keys) // self.columns) - 2)
        rows, left = row * len(names), max(LEFT, 0.25 + max(text_width(name, 9) for name in names))
        self.height = band_height(label) + TOP + more + rows + BOTTOM
        self.figure = plt.figure(figsize=(WIDTH, self.height))
        box = (left / WIDTH, BOTTOM / self.height, (WIDTH - left - RIGHT) / WIDTH, rows / self.height)
        self.axes = self.figure.add_axes(box)

    def crown(self, title: str, text: str, handles: Sequence[Artist] | None = None) -> None:
        """Draw the title, a line of text below it, and the legend: of these handles, or of what the axes name."""
        strip = title_block(self.figure, title, text, self.label)
        place = {"loc": "upper left", "bbox_to_anchor": (0.3 / WIDTH, 1 - (strip + 0.84) / self.height)}
        known = {} if handles is None else {"handles": handles}
        self.figure.legend(**known, ncols=self.columns, **place, **LEGEND)
