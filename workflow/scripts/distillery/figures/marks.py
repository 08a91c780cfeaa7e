"""Figures of differences: the declared comparisons, the published numbers against ours, the published faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillery.figures.panels import Layout, heading, panels
from distillery.figures.summary import HOLLOW, INK, KD, SCRATCH, SOFT, arm_styles, cut
from distillery.jobs import UserError

ROW = 0.3  # inches
FILLED = {"markersize": 6.5, "markeredgecolor": "white", "zorder": 3}
VERDICTS = {
    "better": ("#0072B2", "o"),
    "worse": ("#D55E00", "s"),
    "no significant difference": ("#777777", "D"),
    "": ("#777777", "D"),
}


def draw_comparisons(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Differences with their intervals: thick over trainings alone, thin over trainings and images."""
    table = tables["comparisons"].astype({"verdict": object}).fillna({"verdict": ""})
    names = list(dict.fromkeys(table["comparison"]))
    rows = max((table["comparison"] == name).sum() for name in names)
    text = "difference in percentage points; thin bars: 95 % interval over trainings and images, thick: trainings alone"
    layout = Layout(3.2, ROW * rows, across=1.75, down=0.75, left=1.85, below=0.6, legend=0.3)
    used = [verdict for verdict in VERDICTS if verdict and (table["verdict"] == verdict).any()]
    keys = [_mark(*VERDICTS[verdict], verdict) for verdict in used]
    figure, axes = panels(len(names), 3 if rows <= 8 else 2, layout, title, text, label, keys)
    reach = np.nanmax(np.abs(table[["difference", "low", "high", "seeds_low", "seeds_high"]].to_numpy(float)))
    for axis, name in zip(axes, names, strict=True):
        mine = table[table["comparison"] == name].reset_index(drop=True)
        heading(axis, cut(str(mine["question"].iloc[0]), 48))
        axis.axvline(0, color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        for place, row in mine.iterrows():
            _difference(axis, place, row)
        # what varies within a comparison: scenarios for two arms, arms for two scenarios
        varies = "arm" if mine["versus_scenario"].iloc[0] != mine["scenario"].iloc[0] else "scenario"
        axis.set(xlim=(-1.08 * reach, 1.08 * reach), ylim=(rows - 0.5, -0.5))
        axis.set_yticks(range(len(mine)), [cut(str(text), 22) for text in mine[varies]], fontsize=8, color=INK)
        axis.grid(axis="x", color="#EDEDED", linewidth=0.8)
        axis.spines["left"].set_visible(False)
    return figure


def _difference(axis: Axes, y: int, row: pd.Series) -> None:
    color, marker = VERDICTS[row["verdict"]]
    for prefix, width in (("", 1.1), ("seeds_", 3.2)):
        if not np.isnan(row[f"{prefix}low"]):
            axis.plot([row[f"{prefix}low"], row[f"{prefix}high"]], [y, y], color=color, linewidth=width, alpha=0.75)
    axis.plot(row["difference"], y, marker, color=color, **FILLED)


def draw_published(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """What was published against ours of the same recipe, with where one training of ours would lie."""
    table = tables["published"]
    theirs = table["published_notebook"].fillna(table["published_site"])
    text = "bars: where one training of ours, tested on as many images, lies 95 times of 100; outside: named"
    layout = Layout(6.2, 5.2, left=0.9, below=0.75, legend=0.3)
    keys = [_mark(look.color, look.marker, look.name) for look in (SCRATCH, KD)]
    figure, (axis,) = panels(1, 1, layout, title, text, label, keys)
    top = np.nanmax([theirs.max(), table[["ours_percent", "single_high"]].max().max()]) + 4
    axis.plot([0, top], [0, top], color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
    for x, (_, row) in zip(theirs, table.iterrows(), strict=True):
        look = SCRATCH if row["arm"] == "scratch" else KD
        if not np.isnan(row["single_low"]):
            axis.plot([x, x], [row["single_low"], row["single_high"]], color=look.color, linewidth=1, alpha=0.6)
        axis.plot(
            x, row["ours_percent"], look.marker, color=look.color, markersize=6, markeredgecolor="white", zorder=3
        )
        if row["within"] != "yes":  # the others would hide each other, and need no name
            axis.annotate(row["scenario"], (x, row["ours_percent"]), (4, 4), textcoords="offset points", fontsize=6.5)
    axis.set(xlim=(0, top), ylim=(0, top))
    axis.set_xlabel("published, percent", fontsize=9)
    axis.set_ylabel("ours, percent", fontsize=9)
    heading(axis, "on the dashed line ours is what was published")
    axis.grid(color="#EDEDED", linewidth=0.8)
    return figure


def draw_faults(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """From an arm of the published recipe to the corrected one, in every scenario that has both."""
    table = tables["summary"]
    arms = [arm for arm in dict.fromkeys(table["arm"]) if f"published_{arm}" in set(table["arm"])]
    if not arms:
        raise UserError("no scenario trains an arm and its published_… partner, so there are no faults to draw.")
    scenarios = list(dict.fromkeys(table["scenario"]))
    text = "from the published recipe with its faults (hollow) to ours; crosses are the published numbers"
    layout = Layout(3.6, ROW * len(scenarios), across=0.35, left=1.95, below=0.7, legend=0.3)
    hollow = {"color": "none", "marker": "o", "markeredgecolor": INK, "markerfacecolor": "white"}
    keys = [Line2D([], [], label="published recipe, run here", **hollow)]
    keys += [_mark(INK, "o", "corrected recipe"), _mark(SOFT, "x", "published number")]
    figure, axes = panels(len(arms), 2, layout, title, text, label, keys)
    for axis, arm in zip(axes, arms, strict=True):
        look = arm_styles([arm])[arm]
        for y, scenario in enumerate(scenarios):
            mine = table[table["scenario"] == scenario].set_index("arm")
            if {arm, f"published_{arm}"} <= set(mine.index):
                _step(axis, y, mine.loc[f"published_{arm}"], mine.loc[arm], look)
        heading(axis, look.name)
        axis.set(xlim=(0, 100), ylim=(len(scenarios) - 0.5, -0.5))
        first = axis is axes[0] or axes.index(axis) % 2 == 0
        axis.set_yticks(
            range(len(scenarios)), [cut(name, 24) for name in scenarios] if first else [], fontsize=8, color=INK
        )
        axis.set_xlabel("accuracy, percent", fontsize=8.5)
        axis.grid(axis="x", color="#EDEDED", linewidth=0.8)
        axis.spines["left"].set_visible(False)
    return figure


def _step(axis: Axes, y: int, before: pd.Series, after: pd.Series, look) -> None:
    axis.plot([before["mean_percent"], after["mean_percent"]], [y, y], color="#BDBDBD", linewidth=2.4, zorder=1)
    axis.plot(before["mean_percent"], y, look.marker, markeredgecolor=look.color, **HOLLOW)
    axis.plot(
        after["mean_percent"], y, look.marker, color=look.color, markersize=6.5, markeredgecolor="white", zorder=3
    )
    known = before["published_site"] if not np.isnan(before["published_site"]) else before["published_notebook"]
    if not np.isnan(known):
        axis.plot(known, y, "x", color=SOFT, markersize=5, zorder=2)


def _mark(color: str, marker: str, name: str) -> Line2D:
    return Line2D([], [], color="none", marker=marker, markerfacecolor=color, markeredgecolor=color, label=name)
