"""A figure of equal panels under one heading, laid out in inches: readable with two arms and with ten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillery.figures.summary import INK, RULE, SOFT, band_height, legend_columns, plt, sns, title_block

HEAD = 0.95  # inches of title and text
EDGE = 0.3
LEAST_WIDTH = 7.5


@dataclass(frozen=True)
class Layout:
    """Inches: a panel's width and height, the space left of and below each, and of the figure's margins."""

    width: float
    height: float
    across: float = 0.35  # between panels
    down: float = 0.55
    left: float = 0.9  # of all panels
    below: float = 0.7
    legend: float = 0.0  # between the heading and the panels; more where its rows need more


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures."""
    look = {"font.family": "DejaVu Sans", "text.color": INK, "axes.labelcolor": INK}
    look |= {"xtick.color": SOFT, "ytick.color": SOFT, "axes.edgecolor": RULE, "axes.linewidth": 0.8}
    with sns.axes_style("white", look), plt.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        yield


def panels(
    count: int,
    columns: int,
    layout: Layout,
    title: str,
    text: str,
    label: str = "",
    keys: Sequence[Line2D] = (),
    most: int = 6,
) -> tuple[Figure, list[Axes]]:
    """A figure and its panels, row by row.

    Args:
        count: of panels.
        columns: of them at most in a row.
        title, text: the heading and the line below it.
        label: stands in a strip across the top when not empty.
        keys: of a legend below the heading, in so many columns at `most`.
    """
    columns = max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    width = layout.left + columns * layout.width + (columns - 1) * layout.across + EDGE
    width = max(width, LEAST_WIDTH)
    body = rows * layout.height + (rows - 1) * layout.down
    across = legend_columns([key.get_label() for key in keys], width - EDGE - 0.1, most)
    room = max(layout.legend, 0.11 + 0.19 * -(-len(keys) // across)) if keys else layout.legend
    top = band_height(label) + HEAD + room + 0.3
    height = top + body + layout.below
    figure = plt.figure(figsize=(width, height))
    title_block(figure, title, text, label)
    if keys:
        _legend(figure, keys, label, across)
    axes = []
    for place in range(count):
        row, column = divmod(place, columns)
        x = layout.left + column * (layout.width + layout.across)
        y = height - top - row * (layout.height + layout.down) - layout.height
        axes.append(figure.add_axes((x / width, y / height, layout.width / width, layout.height / height)))
    return figure, axes


def heading(axes: Axes, text: str) -> None:
    """A panel's name above it, at its left."""
    axes.set_title(text, fontsize=9.5, loc="left", color=INK, pad=5)
    axes.tick_params(labelsize=8, length=0)


def _legend(figure: Figure, handles: Sequence[Line2D], label: str, columns: int) -> None:
    width, height = figure.get_size_inches()
    figure.legend(
        handles=handles, loc="upper left", ncols=columns, frameon=False, fontsize=8.5, handletextpad=0.5,
        bbox_to_anchor=(EDGE / width, 1 - (band_height(label) + 0.84) / height), columnspacing=1.4, borderaxespad=0,
        borderpad=0,
    )  # fmt: skip
