"""Styles of all figures: colors, markers and fonts, one style per arm; and saving of figures.

Matplotlib draws without a display, with its own fonts, and omits dates, so that the same table gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distillery.display_names import display_name
from distillery.storage.files import atomic_path

matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # titles and names come from the user: `$5 against $10` is no formula

DPI = 160
# text is measured as it is saved: at fewer dots, hinted letters are narrower
AT_DPI: dict[Any, Any] = {"figure.dpi": DPI}
WIDTH = 10.5  # inches of a figure with one row per scenario, source or class
INK, SOFT, RULE, GRID, CONNECTOR = "#222222", "#666666", "#D5D5D5", "#EDEDED", "#BDBDBD"
FONT = {"font.family": "DejaVu Sans", "text.color": INK}
DOTTED = (0, (2, 2))
CHANCE_LINE: dict[str, Any] = {"color": SOFT, "linewidth": 1, "linestyle": DOTTED}
# a published number: smaller than a mark of this study, and hollow
HOLLOW_MARKER: dict[str, Any] = {
    "markersize": 5.2, "markerfacecolor": "white", "markeredgewidth": 1.2, "zorder": 3, "clip_on": False,
}  # fmt: skip


@dataclass(frozen=True)
class ArmStyle:
    """Style of an arm in all charts.

    Attributes:
        name: display name in legends.
        color: from the palette of Okabe and Ito (2008), safe for color-blind readers.
        marker: Matplotlib's; distinguishes arms in grayscale too.
    """

    name: str
    color: str
    marker: str


FROM_SCRATCH = ArmStyle(display_name("scratch"), "#D55E00", "o")
DISTILLED = ArmStyle(display_name("kd"), "#0072B2", "D")
OTHER_STYLES = (
    ("#009E73", "s"), ("#CC79A7", "^"), ("#E69F00", "v"), ("#56B4E9", "P"), ("#000000", "X"), ("#999999", "p"),
)  # fmt: skip

# color and marker of each source or mix of sources, in charts with a line or a row of marks for each
SOURCE_STYLES = ((DISTILLED.color, "o"), (FROM_SCRATCH.color, "D"), *OTHER_STYLES)


def arm_styles(arms: Sequence[str]) -> dict[str, ArmStyle]:
    """A different style for every arm, `scratch` and `kd` first; the same list gives the same styles.

    With more than eight arms colors repeat, with other markers.
    """
    styles = {"scratch": FROM_SCRATCH, "kd": DISTILLED}
    count = len(OTHER_STYLES)
    for i, arm in enumerate(arm for arm in arms if arm not in ("scratch", "kd")):
        color, _ = OTHER_STYLES[i % count]
        _, marker = OTHER_STYLES[(i + i // count) % count]  # a color that repeats gets another marker
        styles[arm] = ArmStyle(display_name(arm), color, marker)
    return {arm: styles[arm] for arm in sorted(arms, key=list(styles).index)}


# pairs of arms whose marks are on one line, joined by a bar
PAIRS = (("scratch", "kd"), ("published_scratch", "published_kd"))
# style of a published number, and the arms whose rows may have it: our recipe or the published one
PUBLISHED = tuple(zip((FROM_SCRATCH, DISTILLED), zip(*PAIRS, strict=True), strict=True))


def lines_of_arms(arms: Sequence[str]) -> list[tuple[str, ...]]:
    """The arms by lines of marks: a pair, or the only two arms, share a line; any other arm has its own line."""
    if len(arms) == 2:
        return [tuple(arms)]
    paired = [pair for pair in PAIRS if set(pair) <= set(arms)]
    taken = {arm for pair in paired for arm in pair}
    return paired + [(arm,) for arm in arms if arm not in taken]


@contextmanager
def row_style() -> Iterator[None]:
    """Matplotlib's settings for a figure with one row per name: no line around the axes."""
    with sns.axes_style("white", FONT | {"axes.labelcolor": INK, "xtick.color": SOFT}), plt.rc_context(AT_DPI):
        yield


@contextmanager
def panel_style() -> Iterator[None]:
    """Matplotlib's settings for a figure of panels: axis lines only at the left and below."""
    settings: dict[str, Any] = {
        **FONT, "axes.labelcolor": INK, "xtick.color": SOFT, "ytick.color": SOFT, "axes.edgecolor": RULE,
        "axes.linewidth": 0.8,
    }  # fmt: skip
    no_lines: dict[Any, Any] = {"axes.spines.top": False, "axes.spines.right": False}
    with sns.axes_style("white", settings), plt.rc_context(no_lines | AT_DPI):
        yield


def hide_spines(axes: Axes) -> None:
    """Remove the lines around the axes."""
    for spine in axes.spines.values():
        spine.set_visible(False)


def save_figure(figure: Figure, *outputs: str | Path) -> None:
    """Write a figure atomically as PNG or SVG, by each path's suffix, and close it."""
    try:
        for output in outputs:
            # a software version or a date would change the bytes of an equal image
            omitted = {"Date": None, "Creator": None} if str(output).endswith(".svg") else {"Software": None}
            with atomic_path(output) as temporary, plt.rc_context({"svg.hashsalt": "distillery"}):
                figure.savefig(temporary, dpi=DPI, metadata=omitted, facecolor="white")
    finally:
        plt.close(figure)
