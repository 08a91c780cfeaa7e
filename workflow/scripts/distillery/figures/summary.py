"""The summary figure: scenarios in rows, scratch and distilled as a dumbbell, published numbers as hollow marks.

Matplotlib without a screen, its own fonts, no dates: the same table gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # titles and names are the user's: `$5 against $10` is no formula

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import seaborn as sns  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.text import Text  # noqa: E402
from matplotlib.textpath import TextPath  # noqa: E402

from distillery.analysis.table_files import read_table  # noqa: E402
from distillery.jobs import UserError  # noqa: E402
from distillery.storage.files import atomic_path  # noqa: E402

DPI = 160
WIDTH = 10.5  # inches
LABELS = 4.1  # inches left of the axis, for the rows' labels
ROW = 0.56  # inches a scenario of two arms; each further arm adds a step
HEADING = 0.42  # inches a heading of a size
STEP = 0.09  # inches from one arm of a row down to the next
LEGEND_COLUMNS = 6
LEAST_FONT = 8  # points
SIZES = ("small", "medium", "large")
INK, SOFT, RULE = "#222222", "#666666", "#D5D5D5"
BAR = {"linewidth": 1.3, "zorder": 3}
CHANCE = {"color": SOFT, "linewidth": 1, "linestyle": (0, (2, 2))}
FILLED = {"markersize": 7.5, "markeredgecolor": "white", "markeredgewidth": 0.8, "zorder": 4, "clip_on": False}
HOLLOW = {"markersize": 5.2, "markerfacecolor": "white", "markeredgewidth": 1.2, "zorder": 3, "clip_on": False}


@dataclass(frozen=True)
class ArmStyle:
    """How an arm is drawn: colors of Okabe and Ito (2008), and a shape of its own for eyes and printers without."""

    name: str
    color: str
    marker: str


SCRATCH, KD = ArmStyle("from scratch", "#D55E00", "o"), ArmStyle("distilled", "#0072B2", "D")
OTHERS = (("#009E73", "s"), ("#CC79A7", "^"), ("#E69F00", "v"), ("#56B4E9", "P"), ("#000000", "X"), ("#999999", "p"))


def arm_styles(arms: list[str]) -> dict[str, ArmStyle]:
    """A look for every arm, the same for the same list and no two alike; past eight arms, colors come again."""
    known = {"scratch": SCRATCH, "kd": KD}
    others = [arm for arm in arms if arm not in known]
    for i, arm in enumerate(others):
        # trained here by the published recipe, not to be taken for the numbers that were published
        name = arm.replace("published_", "published recipe, ").replace("_", " ")
        color, _ = OTHERS[i % len(OTHERS)]
        # a color that comes again has another shape
        known[arm] = ArmStyle(name, color, OTHERS[(i + i // len(OTHERS)) % len(OTHERS)][1])
    return {arm: known[arm] for arm in sorted(arms, key=list(known).index)}


def plot_summary(summary: str | Path, output: str | Path, title: str, label: str = "") -> None:
    """Draw the study's summary.

    Args:
        summary: `summary.csv`, columns as in docs/tables.md.
        output: a PNG.
        title: the figure's heading.
        label: stands in a strip across the top when not empty, such as that the numbers are of a demonstration.

    Raises:
        UserError: the table has no rows.
    """
    table = read_table(summary)
    if table.empty:
        raise UserError(f"{summary} has no rows, so there is nothing to draw. Give a scenario at least one arm.")
    style = {"font.family": "DejaVu Sans", "text.color": INK, "axes.labelcolor": INK, "xtick.color": SOFT}
    with sns.axes_style("white", style):
        save_figure(_draw(table, title, label), output)


def save_figure(figure: Figure, *outputs: str | Path) -> None:
    """Write a figure as PNG or SVG, by the names' ends, whole or not at all, and forget it."""
    try:
        for output in outputs:
            # the software's version or the date would make other bytes of the same image
            unsaid = {"Date": None, "Creator": None} if str(output).endswith(".svg") else {"Software": None}
            with atomic_path(output) as temporary, plt.rc_context({"svg.hashsalt": "distillery"}):
                figure.savefig(temporary, dpi=DPI, metadata=unsaid, facecolor="white")
    finally:
        plt.close(figure)


def band_height(label: str) -> float:
    """Inches of the strip that a label stands in."""
    return 0.36 if label else 0.0


def band(figure: Figure, height: float, label: str) -> float:
    """Draw a label in a strip across the top, if there is one; how many inches that takes of the figure's height."""
    strip = band_height(label)
    if label:
        where = {"color": "#F0E442", "transform": figure.transFigure}
        figure.add_artist(plt.Rectangle((0, 1 - strip / height), 1, strip / height, **where))
        figure.text(0.5, 1 - strip / 2 / height, label, ha="center", va="center", fontsize=10.5, fontweight="bold")
    return strip


def title_block(figure: Figure, title: str, text: str, label: str) -> float:
    """Draw a label's strip, the title and a line of text below it; inches of the strip."""
    width, height = figure.get_size_inches()
    strip = band(figure, height, label)
    left = 0.3 / width
    heading = figure.text(left, 1 - (strip + 0.36) / height, title, fontsize=15, fontweight="bold", va="center")
    below = figure.text(left, 1 - (strip + 0.66) / height, text, fontsize=9.5, color=SOFT, va="center")
    for each in (heading, below):
        shrink_to_fit(each, width - 0.6)
    return strip


def shrink_to_fit(text: Text, inches: float) -> None:
    """Make a text of a figure smaller where it is wider than so many inches; cut what would be too small to read."""
    figure = text.get_figure()

    def share() -> float:
        return inches * figure.dpi / text.get_window_extent(figure.canvas.get_renderer()).width

    while share() < 1 and text.get_fontsize() > LEAST_FONT:  # hinted letters do not shrink evenly
        text.set_fontsize(max(LEAST_FONT, 0.99 * share() * text.get_fontsize()))
    if share() < 1:
        words = text.get_text()
        text.set_text(words[: int(0.97 * share() * len(words)) - 1].rstrip() + "…")


def cut(text: str, length: int) -> str:
    """`text`, its end cut to `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def text_width(text: str, points: float) -> float:
    """Inches that a text of one line takes, and a little more, since hinted letters are wider than their outlines."""
    return 1.05 * TextPath((0, 0), text, size=points).get_extents().width / 72 if text.strip() else 0.0


def legend_columns(
    names: Sequence[str], inches: float, most: int, points: float = 8.5, handle: float = 2.0, spacing: float = 1.4
) -> int:
    """Columns of a legend, so many at most, that fit into so many inches; `handle` and `spacing` as Matplotlib's."""
    em = points / 72
    widths = [text_width(name, points) + (handle + 0.5) * em for name in names]
    for columns in range(most, 1, -1):
        widest = [part.max() for part in np.array_split(widths, columns) if len(part)]  # filled column by column
        if sum(widest) + (len(widest) - 1) * spacing * em <= inches:
            return columns
    return 1


@dataclass(frozen=True)
class SummaryRow:
    """One scenario and where it stands: its upper edge in inches below the top of the axis, and its height."""

    y: float
    height: float
    table: pd.DataFrame


@dataclass(frozen=True)
class SummaryLayout:
    """Rows under the headings of their sizes; `height` in inches."""

    rows: list[SummaryRow]
    headings: list[tuple[float, str]]
    height: float


def lay_out(table: pd.DataFrame) -> SummaryLayout:
    """Scenarios grouped by size, small first, each group in the table's order."""
    sizes = table["size"].fillna("").astype(str)
    known = [size for size in SIZES if (sizes == size).any()]
    rows, headings, y = [], [], 0.0
    for size in known + [size for size in sizes.unique() if size not in SIZES]:
        headings.append((y + 0.6 * HEADING, size.capitalize() or "Scenarios"))
        y += HEADING
        for _, group in table[sizes == size].groupby("scenario", sort=False):
            rows.append(SummaryRow(y, ROW + STEP * max(0, group["arm"].nunique() - 2), group))
            y += rows[-1].height
    return SummaryLayout(rows, headings, y)


def _draw(table: pd.DataFrame, title: str, label: str) -> Figure:
    layout = lay_out(table)
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    keys = list(_keys(arms, table))
    strip, bottom = band_height(label), 0.75
    columns = legend_columns([key.get_label() for key in keys], WIDTH - 0.4, LEGEND_COLUMNS)
    top = strip + 1.0 + 0.2 * -(-len(keys) // columns)
    height = top + layout.height + bottom
    figure = plt.figure(figsize=(WIDTH, height))
    axes = figure.add_axes(
        (LABELS / WIDTH, bottom / height, (WIDTH - LABELS - 0.45) / WIDTH, layout.height / height),
        ylim=(layout.height, 0),
    )
    _axis(axes, table)
    for y, text in layout.headings:
        _heading(axes, y, text)
    for row in layout.rows:
        _row(axes, row, arms)
    title_block(figure, title, _subtitle(table), label)
    _legend(figure, 1 - (strip + 0.88) / height, keys, columns)
    return figure


def _axis(axes: Axes, table: pd.DataFrame) -> None:
    numbers = table[["mean_percent", "high", "published_site", "published_notebook"]].to_numpy(dtype=float)
    top = np.nanmax([np.nanmax(numbers), 100 / table["n_classes"].min()])
    axes.set_xlim(0, min(100.0, 10 * np.ceil((top + 2) / 10)) + 0.5)
    axes.set_xlabel("accuracy on the test images, percent", fontsize=10, labelpad=8)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=9, length=0)
    axes.grid(axis="x", color="#EDEDED", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _left(axes: Axes, y: float, inches: float, text: str, **style) -> None:
    """Text left of the axis, `inches` from the figure's edge."""
    width = axes.get_position().width * WIDTH
    axes.text((inches - LABELS) / width, y, text, transform=axes.get_yaxis_transform(), va="center", **style)


def _heading(axes: Axes, y: float, text: str) -> None:
    width = axes.get_position().width * WIDTH
    _left(axes, y, 0.3, text, fontsize=11, fontweight="bold")
    start = (0.3 - LABELS) / width
    line = y + 0.4 * HEADING
    axes.plot([start, 1], [line, line], color=RULE, linewidth=1, transform=axes.get_yaxis_transform(), clip_on=False)


def _row(axes: Axes, row: SummaryRow, arms: dict[str, ArmStyle]) -> None:
    table, first = row.table, row.table.iloc[0]
    middle = row.y + row.height / 2
    _left(axes, middle - 0.1, 0.3, cut(first["train"], 48), fontsize=9.5)
    _left(axes, middle + 0.11, 0.3, cut(_rests_on(table), 62), fontsize=7.5, color=SOFT)
    chance = 100 / float(first["n_classes"])
    axes.plot([chance] * 2, [row.y, row.y + row.height], zorder=1, **CHANCE)
    published = published_pair(table)
    _ours(axes, middle - (0.09 if published else 0.0), table, arms)
    if published:
        _published(axes, row.y + row.height - 0.12, published)


def _rests_on(table: pd.DataFrame) -> str:
    """Scenario, train images and seeds: `small_google · n = 800 · 6 seeds`; ranges where arms differ."""
    first, train, seeds = table.iloc[0], _range(table["n_train"]), _range(table["n_seeds"])
    noise = first.get("untrained")
    warning = "" if pd.isna(noise) or not noise else f"{noise}: random weights  ·  "  # first, since the end may be cut
    return f"{warning}{first['scenario']}  ·  n = {train}  ·  {seeds} seed{'' if seeds == '1' else 's'}"


def _range(numbers: pd.Series) -> str:
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _ours(axes: Axes, y: float, table: pd.DataFrame, arms: dict[str, ArmStyle]) -> None:
    """Filled marks with thin bars for the intervals; scratch and kd joined, each arm lower than the one before."""
    present = [arm for arm in arms if (table["arm"] == arm).any()]
    place = {arm: y + STEP * (i - (len(present) - 1) / 2) for i, arm in enumerate(present)}
    by_arm = table.drop_duplicates("arm").set_index("arm")
    if {"scratch", "kd"} <= set(present):
        ends = [(by_arm.at[arm, "mean_percent"], place[arm]) for arm in ("scratch", "kd")]
        axes.plot(*zip(*ends, strict=True), color="#BDBDBD", linewidth=3.2, solid_capstyle="round", zorder=2)
    for arm in present:
        look, run = arms[arm], by_arm.loc[arm]
        if not np.isnan(run["low"]):
            axes.plot([run["low"], run["high"]], [place[arm]] * 2, "|-", color=look.color, markersize=5, **BAR)
        axes.plot(run["mean_percent"], place[arm], look.marker, color=look.color, **FILLED)


def published_pair(table: pd.DataFrame) -> list[tuple[ArmStyle, float]]:
    """The published accuracy from scratch and distilled, as its website says, else as its notebook printed."""
    pair = []
    for look, arms in ((SCRATCH, ("scratch", "published_scratch")), (KD, ("kd", "published_kd"))):
        mine = table[table["arm"].isin(arms)]
        known = mine["published_site"].fillna(mine["published_notebook"]).dropna()
        if len(known):
            pair.append((look, float(known.iloc[0])))
    return pair


def _published(axes: Axes, y: float, pair: list[tuple[ArmStyle, float]]) -> None:
    if len(pair) == 2:
        axes.plot([value for _, value in pair], [y, y], color="#BDBDBD", linewidth=1, zorder=2)
    for look, value in pair:
        axes.plot(value, y, look.marker, markeredgecolor=look.color, **HOLLOW)


def _subtitle(table: pd.DataFrame) -> str:
    seeds, test = _range(table["n_seeds"]), _range(table["n_test"])
    text = f"mean over {seeds} seeds" if seeds != "1" else "one training each"
    bars = "one seed, so no intervals" if seeds == "1" else "seeds agree, so no intervals"
    if table["low"].notna().any():
        bars = "bars are 95 % intervals of the mean"
    return f"{text}, {test} test images; {bars}"


def _legend(figure: Figure, y: float, keys: list[Line2D], columns: int) -> None:
    legend = figure.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(0.3 / WIDTH, y), ncols=columns, frameon=False,
        fontsize=8.5, handletextpad=0.5, columnspacing=1.4, borderaxespad=0, borderpad=0,
    )  # fmt: skip
    legend.set_zorder(5)


def _keys(arms: dict[str, ArmStyle], table: pd.DataFrame) -> Iterator[Line2D]:
    for look in arms.values():
        bar = look.color if table["low"].notna().any() else "none"
        style = FILLED | {"clip_on": True}
        yield Line2D(
            [], [], color=bar, linewidth=1.3, marker=look.marker, markerfacecolor=look.color, label=look.name, **style
        )
    for look in dict.fromkeys(look for look, _ in published_pair(table)):
        style = HOLLOW | {"clip_on": True}
        name = f"published, {look.name}"
        yield Line2D([], [], color="none", marker=look.marker, markeredgecolor=look.color, label=name, **style)
    yield Line2D([], [], label="chance", **CHANCE)
