"""Charts of differences: the declared comparisons, published numbers against ours, the published recipe's faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from distillery.analysis.formatting import not_covered_text, p_phrase, p_title
from distillery.display_names import display_name
from distillery.figures.layout import text_width, truncate
from distillery.figures.panels import PanelLayout, panel_grid, panel_title
from distillery.figures.styles import (
    CONNECTOR,
    DISTILLED,
    DOTTED,
    FROM_SCRATCH,
    GRID,
    HOLLOW_MARKER,
    INK,
    SOFT,
    ArmStyle,
    arm_styles,
)
from distillery.jobs import UserError

ROW = 0.3  # inches
MOST_LETTERS = 36  # of a row's label
FILLED_MARKER: dict[str, Any] = {"markersize": 6.5, "markeredgecolor": "white", "zorder": 3}
VERDICTS = {
    "better": ("#0072B2", "o"),
    "worse": ("#D55E00", "s"),
    "no significant difference": ("#777777", "D"),
    "": ("#777777", "D"),
}


def draw_comparisons(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Differences with 95 % intervals, a panel per comparison.

    Thick bars cover other trainings, thin bars other trainings and test images.
    """
    table = tables["comparisons"].astype({"verdict": object}).fillna({"verdict": ""})
    names = list(dict.fromkeys(table["comparison"]))
    rows = max((table["comparison"] == name).sum() for name in names)
    text = "percentage points; thin bars: 95 % over trainings and images, thick: trainings alone"
    if table["p_holm"].notna().any():
        text += f"; {p_title(table)}"
    width = 3.2 if len(names) > 1 else 6.5
    panels = [table[table["comparison"] == name].reset_index(drop=True) for name in names]
    labels = [[truncate(name, MOST_LETTERS) for name in _row_names(panel)] for panel in panels]
    room = max(1.45, 0.1 + max(text_width(label, 8) for of_panel in labels for label in of_panel))
    layout = PanelLayout(
        width, ROW * rows, across=room + 0.85, down=0.75, left=room + 0.4, below=0.6, legend=0.3, right=0.85
    )
    used = [verdict for verdict in VERDICTS if verdict and (table["verdict"] == verdict).any()]
    keys = [_legend_key(*VERDICTS[verdict], verdict) for verdict in used]
    if missing := not_covered_text(table):
        keys.append(Line2D([], [], color="none", label=missing))
    figure, axes = panel_grid(len(names), 3 if rows <= 8 else 2, layout, title, text, label, keys)
    ends = table[["difference", "low", "high", "low_given_images", "high_given_images"]].to_numpy(float)
    low, high = min(0.0, np.nanmin(ends)), max(0.0, np.nanmax(ends))
    margin = 0.06 * (high - low)
    for axis, panel, of_panel in zip(axes, panels, labels, strict=True):
        _draw_comparison(axis, panel, of_panel)
        axis.set(xlim=(low - margin, high + margin), ylim=(rows - 0.5, -0.5))
    return figure


def _draw_comparison(axis: Axes, table: pd.DataFrame, labels: list[str]) -> None:
    panel_title(axis, truncate(str(table["question"].iloc[0]), 48))
    axis.axvline(0, color=SOFT, linewidth=1, linestyle=DOTTED)
    for place, (_, row) in enumerate(table.iterrows()):
        _draw_difference(axis, place, row)
    axis.set_yticks(range(len(table)), labels, fontsize=8, color=INK)
    axis.grid(axis="x", color=GRID, linewidth=0.8)
    axis.spines["left"].set_visible(False)


def _row_names(table: pd.DataFrame) -> pd.Series:
    """The rows' labels: scenario, arm, or both, depending on what varies within the comparison; for two students of
    other scenarios and arms, both of them."""
    scenarios, arms = table["scenario"].map(str), table["arm"].map(display_name)
    first = table.iloc[0]
    same_scenario, same_arm = (first[name] == first[f"versus_{name}"] for name in ("scenario", "arm"))
    if same_scenario and table["arm"].nunique() == 1:
        return scenarios
    if not (same_scenario or same_arm):
        versus = table["versus_arm"].map(display_name) + ", " + table["versus_scenario"].map(str)
        return arms + ", " + scenarios + " − " + versus
    return arms + ", " + scenarios if same_scenario and scenarios.nunique() > 1 else arms


def _draw_difference(axis: Axes, y: int, row: pd.Series) -> None:
    color, marker = VERDICTS[row["verdict"]]
    if not pd.isna(row["p_holm"]):
        text, where = p_phrase(row["p_holm"]), axis.get_yaxis_transform()
        axis.text(1.02, y, text, transform=where, va="center", fontsize=7.5, color=color)
    for suffix, width in (("", 1.1), ("_given_images", 3.2)):
        if not np.isnan(row[f"low{suffix}"]):
            axis.plot([row[f"low{suffix}"], row[f"high{suffix}"]], [y, y], color=color, linewidth=width, alpha=0.75)
    axis.plot(row["difference"], y, marker, color=color, **FILLED_MARKER)


def draw_published(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Scatter plot of published accuracies and ours with the same recipe, with prediction intervals of one training."""
    table = tables["published"]
    published = table["published_notebook"].fillna(table["published_site"])
    text = "bars: prediction interval of one training of ours, 95 % for all together; scenarios outside it are named"
    layout = PanelLayout(6.2, 5.2, left=0.9, below=0.75, legend=0.3)
    keys = [_legend_key(style.color, style.marker, style.name) for style in (FROM_SCRATCH, DISTILLED)]
    figure, (axis,) = panel_grid(1, 1, layout, title, text, label, keys)
    top = np.nanmax([published.max(), table[["ours_percent", "single_high"]].max().max()]) + 4
    axis.plot([0, top], [0, top], color=SOFT, linewidth=1, linestyle=DOTTED)
    for x, (_, row) in zip(published, table.iterrows(), strict=True):
        style = FROM_SCRATCH if row["arm"] == "scratch" else DISTILLED
        if not np.isnan(row["single_low"]):
            axis.plot([x, x], [row["single_low"], row["single_high"]], color=style.color, linewidth=1, alpha=0.6)
        axis.plot(
            x, row["ours_percent"], style.marker, color=style.color, markersize=6, markeredgecolor="white", zorder=3
        )
        if row["within"] != "yes":  # names of all points would overlap
            axis.annotate(row["scenario"], (x, row["ours_percent"]), (4, 4), textcoords="offset points", fontsize=6.5)
    axis.set(xlim=(0, top), ylim=(0, top))
    axis.set_xlabel("published, percent", fontsize=9)
    axis.set_ylabel("ours, percent", fontsize=9)
    panel_title(axis, "dashed line: ours equals the published number")
    axis.grid(color=GRID, linewidth=0.8)
    return figure


def draw_faults(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Accuracy with the published recipe and with the corrected one, by scenario; a panel per arm that has both.

    Raises:
        UserError: no arm has a partner with the published recipe.
    """
    table = tables["summary"]
    arms = [arm for arm in dict.fromkeys(table["arm"]) if f"published_{arm}" in set(table["arm"])]
    if not arms:
        raise UserError(
            "no scenario trains both an arm and its published_… partner, so there are no faults to draw. Add both arms"
            " to a scenario, or leave this figure out."
        )
    scenarios = list(dict.fromkeys(table["scenario"]))
    text = "from the published recipe with its faults (hollow) to the corrected one; crosses are the published numbers"
    layout = PanelLayout(3.6, ROW * len(scenarios), across=0.35, left=1.95, below=0.7, legend=0.3)
    hollow: dict[str, Any] = {"color": "none", "marker": "o", "markeredgecolor": INK, "markerfacecolor": "white"}
    keys = [Line2D([], [], label="published recipe, run here", **hollow)]
    keys += [_legend_key(INK, "o", "corrected recipe"), _legend_key(SOFT, "x", "published number")]
    figure, axes = panel_grid(len(arms), 2, layout, title, text, label, keys)
    for place, (axis, arm) in enumerate(zip(axes, arms, strict=True)):
        style = arm_styles([arm])[arm]
        for y, scenario in enumerate(scenarios):
            rows = table[table["scenario"] == scenario].set_index("arm")
            if {arm, f"published_{arm}"} <= set(rows.index):
                _draw_correction(axis, y, rows.loc[f"published_{arm}"], rows.loc[arm], style)
        panel_title(axis, style.name)
        axis.set(xlim=(0, 100), ylim=(len(scenarios) - 0.5, -0.5))
        names = [truncate(name, 24) for name in scenarios] if place % 2 == 0 else []
        axis.set_yticks(range(len(scenarios)), names, fontsize=8, color=INK)
        axis.set_xlabel("accuracy, percent", fontsize=8.5)
        axis.grid(axis="x", color=GRID, linewidth=0.8)
        axis.spines["left"].set_visible(False)
    return figure


def _draw_correction(axis: Axes, y: int, before: Any, after: Any, style: ArmStyle) -> None:
    """Draw a scenario's two marks with a connecting bar.

    Args:
        axis: the arm's panel.
        y: the scenario's row.
        before, after: the rows of the summary with the published and with the corrected recipe.
        style: of the arm.
    """
    axis.plot([before["mean_percent"], after["mean_percent"]], [y, y], color=CONNECTOR, linewidth=2.4, zorder=1)
    axis.plot(before["mean_percent"], y, style.marker, markeredgecolor=style.color, **HOLLOW_MARKER)
    axis.plot(
        after["mean_percent"], y, style.marker, color=style.color, markersize=6.5, markeredgecolor="white", zorder=3
    )
    known = before["published_site"] if not np.isnan(before["published_site"]) else before["published_notebook"]
    if not np.isnan(known):
        axis.plot(known, y, "x", color=SOFT, markersize=5, zorder=2)


def _legend_key(color: str, marker: str, name: str) -> Line2D:
    return Line2D([], [], color="none", marker=marker, markerfacecolor=color, markeredgecolor=color, label=name)
