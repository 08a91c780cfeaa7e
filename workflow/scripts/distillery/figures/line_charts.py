"""Line charts: accuracy by number of images, learning curves, reliability diagrams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from distillery.figures.layout import truncate
from distillery.figures.panels import LEGEND_ROW, PanelLayout, panel_grid, panel_title
from distillery.figures.source_mixes import source_mixes
from distillery.figures.styles import DOTTED, GRID, SOFT, SOURCE_STYLES, ArmStyle, arm_styles

DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
BY_SCENARIO = PanelLayout(2.65, 2.0, across=0.45, down=0.6, left=0.75, legend=0.5)
COLUMNS = 4  # panels per row, at most
SIZE_MARGIN = 1.5  # factor by which the axis of train images extends beyond the smallest and the largest count
MIN_PREDICTIONS = 10  # in a confidence bin that is drawn; fewer are noise
MIN_TICK_RATIO = 1.8  # between neighboring ticks on a log axis, so that their labels do not touch


def draw_sizes(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Accuracy against the number of train images: a line per mix of sources, a panel per arm."""
    table = tables["summary"].assign(mix=source_mixes(tables["summary"]))
    mixes = list(dict.fromkeys(table["mix"]))
    mix_styles = {name: ArmStyle(name, *SOURCE_STYLES[i % len(SOURCE_STYLES)]) for i, name in enumerate(mixes)}
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    text = "accuracy on the test images against train images (log scale); bars are 95 % intervals of the mean"
    legend = 0.25 + LEGEND_ROW * -(-len(mixes) // 4)
    layout = PanelLayout(2.65, 2.2, across=0.45, down=0.7, left=0.75, legend=legend)
    keys = [_legend_key(style, DASHES[i % len(DASHES)]) for i, style in enumerate(mix_styles.values())]
    figure, axes = panel_grid(len(arms), COLUMNS, layout, title, text, label, keys, max_legend_columns=4)
    for axis, arm in zip(axes, arms, strict=True):
        for place, name in enumerate(mixes):
            rows = table[(table["arm"] == arm) & (table["mix"] == name)].sort_values("n_train")
            # moved sideways, so that marks with the same number of images do not hide each other
            shifted = rows.assign(n_train=rows["n_train"] * _dodge(table["n_train"], place, len(mixes)))
            _draw_mix(axis, shifted, mix_styles[name], DASHES[place % len(DASHES)])
        panel_title(axis, arms[arm].name)
        _set_up_size_axes(axis, table)
    _name_axes(figure, axes, "train images", "accuracy, percent")
    return figure


def _size_limits(counts: pd.Series) -> tuple[float, float]:
    """The ends of the axis of train images."""
    return counts.min() / SIZE_MARGIN, counts.max() * SIZE_MARGIN


def _dodge(counts: pd.Series, place: int, n: int) -> float:
    """Factor that moves line `place` of n sideways on the log axis: 4 % of the axis per line, at most 30 % in all."""
    low, high = _size_limits(counts)
    step = min(0.04, 0.3 / n) * np.log(high / low)
    return float(np.exp(step * (place - (n - 1) / 2)))


def _set_up_size_axes(axis: Axes, table: pd.DataFrame) -> None:
    top = np.nanmax(table[["mean_percent", "high"]].to_numpy(float))
    axis.set(xscale="log", ylim=(0.0, float(min(100.0, 10 * np.ceil((top + 2) / 10)))))
    axis.set_xlim(_size_limits(table["n_train"]))
    axis.set_xticks(_tick_counts(table["n_train"]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.minorticks_off()
    axis.grid(axis="y", color=GRID, linewidth=0.8)


def _tick_counts(counts: pd.Series) -> list[int]:
    """The counts in ascending order, without those too close to the previous one on a log axis."""
    kept: list[int] = []
    for count in sorted(set(counts)):
        if not kept or count / kept[-1] > MIN_TICK_RATIO:
            kept.append(int(count))
    return kept


def _draw_mix(axis: Axes, table: pd.DataFrame, style: ArmStyle, dash: Any) -> None:
    axis.plot(table["n_train"], table["mean_percent"], color=style.color, linestyle=dash, linewidth=1.3, zorder=2)
    for _, row in table.iterrows():
        if not np.isnan(row["low"]):
            axis.plot([row["n_train"]] * 2, [row["low"], row["high"]], color=style.color, linewidth=1.2, zorder=2)
    axis.plot(
        table["n_train"], table["mean_percent"], style.marker, color=style.color, markersize=6, markeredgecolor="white",
        markeredgewidth=0.7, zorder=3,
    )  # fmt: skip


def draw_curves(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Validation accuracy by step, or training loss if there is none: a panel per scenario, a line per arm."""
    table = tables["curves"]
    validated = table["val_percent"].notna().any()
    mean, low, high = ("val_percent", "val_low", "val_high") if validated else ("loss", "loss_low", "loss_high")
    text = "accuracy on the validation images, percent"
    if not validated:
        text = "training loss (log scale); the arms minimize different losses"
    text += ", by optimizer step; bands are 95 % intervals of the mean over seeds"
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    keys = [_legend_key(style, DASHES[i % len(DASHES)], marker=False) for i, style in enumerate(arms.values())]
    figure, axes, scenarios = _panel_per_scenario(table, title, text, label, keys)
    limits = _shared_limits(table[[mean, low, high]].to_numpy(float), validated)
    for axis, scenario in zip(axes, scenarios, strict=True):
        for place, (arm, style) in enumerate(arms.items()):
            rows = table[(table["scenario"] == scenario) & (table["arm"] == arm)].dropna(subset=[mean])
            dash = DASHES[place % len(DASHES)]
            axis.plot(rows["step"], rows[mean], linewidth=1.4, linestyle=dash, color=style.color)
            axis.fill_between(rows["step"], rows[low], rows[high], color=style.color, alpha=0.18, linewidth=0)
        axis.set(yscale="linear" if validated else "log", ylim=limits)
        if not validated:
            axis.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
        axis.grid(axis="y", color=GRID, linewidth=0.8)
    _name_axes(figure, axes, "optimizer step", "accuracy, percent" if validated else "loss")
    return figure


def _shared_limits(drawn: np.ndarray, is_percent: bool) -> tuple[float, float]:
    """Limits of an axis that all panels share, wide enough for every line and band.

    Args:
        drawn: all numbers that are drawn; NaN is ignored.
        is_percent: whether they are accuracies on a linear axis; otherwise losses on a log axis.
    """
    low, high = np.nanmin(drawn), np.nanmax(drawn)
    if is_percent:
        return max(0.0, low - 2), min(100.0, high + 2)
    positive = drawn[drawn > 0]  # a band may reach below 0, which a log axis cannot show
    return 0.9 * positive.min(), 1.1 * high


def draw_reliability(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Reliability diagrams, a panel per scenario: accuracy by confidence; on the dashed line both are equal."""
    table = tables["reliability"]
    text = "accuracy of predictions by their confidence, percent, seeds pooled; below the dashed line: overconfident"
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    keys = [_legend_key(style, DASHES[i % len(DASHES)]) for i, style in enumerate(arms.values())]
    figure, axes, scenarios = _panel_per_scenario(table, title, text, label, keys)
    for axis, scenario in zip(axes, scenarios, strict=True):
        axis.plot([0, 100], [0, 100], color=SOFT, linewidth=1, linestyle=DOTTED)
        for place, (arm, style) in enumerate(arms.items()):
            rows = table[(table["scenario"] == scenario) & (table["arm"] == arm)]
            rows = rows[rows["n"] >= MIN_PREDICTIONS]
            axis.plot(
                rows["confidence_percent"], rows["accuracy_percent"], marker=style.marker, color=style.color,
                linestyle=DASHES[place % len(DASHES)], linewidth=1.2, markersize=3.5,
            )  # fmt: skip
        axis.set(xlim=(0, 100), ylim=(0, 100))
        axis.grid(color=GRID, linewidth=0.8)
    _name_axes(figure, axes, "confidence, percent", "accuracy, percent")
    return figure


def _panel_per_scenario(
    table: pd.DataFrame, title: str, text: str, label: str, keys: list[Line2D]
) -> tuple[Figure, list[Axes], list[str]]:
    scenarios = list(dict.fromkeys(table["scenario"]))
    figure, axes = panel_grid(len(scenarios), COLUMNS, BY_SCENARIO, title, text, label, keys)
    for axis, scenario in zip(axes, scenarios, strict=True):
        panel_title(axis, truncate(scenario, 36))
    return figure, axes, scenarios


def _name_axes(figure: Figure, axes: list[Axes], x: str, y: str) -> None:
    """Label the axes: y at the left of every row of panels, x once below all panels."""
    for axis in axes[::COLUMNS]:
        axis.set_ylabel(y, fontsize=8.5)
    figure.text(0.5, 0.2 / figure.get_size_inches()[1], x, ha="center", fontsize=8.5)


def _legend_key(style: ArmStyle, dash: Any, marker: bool = True) -> Line2D:
    mark: dict[str, Any] = {"marker": style.marker, "markersize": 5} if marker else {}
    return Line2D([], [], color=style.color, linestyle=dash, linewidth=1.3, label=truncate(style.name, 60), **mark)
