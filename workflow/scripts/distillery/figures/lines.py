"""Figures of lines: accuracy by number of images, learning curves, reliability diagrams."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from distillery.figures.panels import Layout, heading, panels
from distillery.figures.summary import OTHERS, SOFT, ArmStyle, arm_styles, cut

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
SOURCES = (("#D55E00", "o"), ("#0072B2", "D"), *OTHERS)
COUNT = re.compile(r"(?:^|(?<= \+ ))(\d[\d,]*) (each of )?")  # of a part; names may hold digits as well
PANEL = Layout(2.65, 2.0, across=0.45, down=0.6, left=0.75, legend=0.5)


def source_mix(train: str) -> str:
    """The sources of train images in words, without their numbers: `Google + Bing`."""
    return COUNT.sub("", train)


def source_mixes(summary: pd.DataFrame) -> pd.Series:
    """The name of each row's mix. Scenarios of one mix differ in how many train images they have, and in no more.

    Of one number asked for a mix has one scenario: another differs in what the table does not say.
    """
    found: list[list[dict]] = []
    for row in summary.drop_duplicates("scenario").to_dict("records"):
        mine = next((rows for rows in found if _continues(rows, row)), None)
        if mine is None:
            found.append(mine := [])
        mine.append(row)
    firsts = [rows[0] for rows in found]
    names = [_mix_name(first, firsts[:i], firsts[i + 1 :]) for i, first in enumerate(firsts)]
    called = {row["scenario"]: name for rows, name in zip(found, names, strict=True) for row in rows}
    return summary["scenario"].map(called)


def _continues(rows: list[dict], row: dict) -> bool:
    return _alike(rows[0], row) and all(other["n_train_asked"] != row["n_train_asked"] for other in rows)


def _alike(one: dict, other: dict) -> bool:
    if one["n_classes"] != other["n_classes"] or _clean(one) != _clean(other):
        return False
    return _proportional(one["train"], other["train"])


def _clean(row: dict) -> bool:
    return row["clean"] == "yes"  # else blank


def _proportional(one: str, other: str) -> bool:
    """Whether two trains are of the same sources, in the same shares but for images that were short."""
    one, other = shares(one), shares(other)
    return one.keys() == other.keys() and all(abs(one[name] - other[name]) <= 0.05 for name in one)


def shares(train: str) -> dict[str, float]:
    """The share of each source, and of altered copies, in train images in words."""
    counts = {}
    for part in train.split(" + "):
        found, names = COUNT.match(part), source_mix(part)
        number, each = found.groups() if found else ("1", None)
        counts |= dict.fromkeys(names.split(", ") if each else [names], int(number.replace(",", "")))
    return {name: count / sum(counts.values()) for name, count in counts.items()}


def _mix_name(first: dict, before: list[dict], after: list[dict]) -> str:
    """A mix by its first scenario; shares, classes or that scenario's name tell it from others of the same sources."""
    name = source_mix(first["train"])
    same = [other for other in before + after if source_mix(other["train"]) == name]
    if not all(_proportional(first["train"], other["train"]) for other in same):
        name = " + ".join(f"{100 * share:.0f} % {source}" for source, share in shares(first["train"]).items())
    if any(other["n_classes"] != first["n_classes"] for other in same):
        name += f", {first['n_classes']} classes"
    if _clean(first) and not all(map(_clean, same)):
        name += ", without doubted labels"
    return f"{name}, {first['scenario']}" if any(_alike(first, other) for other in before) else name


def draw_sizes(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Accuracy against the number of train images, a line for each mix of sources, a panel for each arm."""
    table = tables["summary"].assign(source_mix=source_mixes(tables["summary"]))
    names = list(dict.fromkeys(table["mix"]))
    known = {name: ArmStyle(name, *SOURCES[i % len(SOURCES)]) for i, name in enumerate(names)}
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    text = "accuracy on the test images against train images (log scale); bars are 95 % intervals of the mean"
    rows = -(-len(names) // 4)
    layout = Layout(2.65, 2.2, across=0.45, down=0.7, left=0.75, legend=0.25 + 0.19 * rows)
    keys = [_key(look, DASHES[i % len(DASHES)]) for i, look in enumerate(known.values())]
    figure, axes = panels(len(arms), 4, layout, title, text, label, keys, most=4)
    for axis, arm in zip(axes, arms, strict=True):
        for place, name in enumerate(names):
            mine = table[(table["arm"] == arm) & (table["mix"] == name)].sort_values("n_train")
            _line(axis, mine, known[name], DASHES[place % len(DASHES)])
        heading(axis, arms[arm].name)
        axis.set(xscale="log", ylim=_limits(table))
        axis.set_xlim(table["n_train"].min() / 1.35, table["n_train"].max() * 1.35)
        axis.set_xticks(sorted(set(_apart(table["n_train"]))))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()
        axis.grid(axis="y", color="#EDEDED", linewidth=0.8)
    axes[0].set_ylabel("percent", fontsize=8.5)
    figure.text(0.5, 0.2 / figure.get_size_inches()[1], "train images", ha="center", fontsize=8.5)
    return figure


def draw_curves(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Validation accuracy by step where it was measured, else training loss; a panel a scenario, a line an arm."""
    table = tables["curves"]
    tested = table["val_percent"].notna().any()
    what = ("val_percent", "val_low", "val_high") if tested else ("loss", "loss_low", "loss_high")
    text = "accuracy on the validation images, percent" if tested else "training loss (log); arms have other losses"
    text += ", by optimizer step; bands are 95 % intervals of the mean over seeds"
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    keys = [_key(look, DASHES[i % len(DASHES)], marker=False) for i, look in enumerate(arms.values())]
    figure, axes, scenarios = _by_scenario(table, title, text, label, keys)
    for axis, scenario in zip(axes, scenarios, strict=True):
        for place, arm in enumerate(arms):
            mine = table[(table["scenario"] == scenario) & (table["arm"] == arm)].dropna(subset=what[:1])
            dash = {"linestyle": DASHES[place % len(DASHES)], "color": arms[arm].color}
            axis.plot(mine["step"], mine[what[0]], linewidth=1.4, **dash)
            axis.fill_between(mine["step"], mine[what[1]], mine[what[2]], color=dash["color"], alpha=0.18, linewidth=0)
        axis.set(yscale="linear" if tested else "log")
        if not tested:
            axis.yaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
        axis.grid(axis="y", color="#EDEDED", linewidth=0.8)
    return figure


def draw_reliability(tables: dict[str, pd.DataFrame], title: str, label: str) -> Figure:
    """Accuracy by confidence; on the dashed line a student is as right as it is sure."""
    table = tables["reliability"]
    text = "accuracy of predictions by their confidence, percent, all seeds together; below the dashed line: too sure"
    arms = arm_styles(list(dict.fromkeys(table["arm"])))
    keys = [_key(look, DASHES[i % len(DASHES)]) for i, look in enumerate(arms.values())]
    figure, axes, scenarios = _by_scenario(table, title, text, label, keys)
    for axis, scenario in zip(axes, scenarios, strict=True):
        axis.plot([0, 100], [0, 100], color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        for place, (arm, look) in enumerate(arms.items()):
            mine = table[(table["scenario"] == scenario) & (table["arm"] == arm)]
            mine = mine[mine["n"] >= 10]  # a handful of predictions is noise
            axis.plot(
                mine["confidence_percent"], mine["accuracy_percent"], marker=look.marker, color=look.color,
                linestyle=DASHES[place % len(DASHES)], linewidth=1.2, markersize=3.5,
            )  # fmt: skip
        axis.set(xlim=(0, 100), ylim=(0, 100))
        axis.grid(color="#EDEDED", linewidth=0.8)
    return figure


def _by_scenario(
    table: pd.DataFrame, title: str, text: str, label: str, keys: list[Line2D]
) -> tuple[Figure, list[Axes], list[str]]:
    scenarios = list(dict.fromkeys(table["scenario"]))
    figure, axes = panels(len(scenarios), 4, PANEL, title, text, label, keys)
    for axis, scenario in zip(axes, scenarios, strict=True):
        heading(axis, cut(scenario, 36))
    return figure, axes, scenarios


def _line(axis: Axes, table: pd.DataFrame, look: ArmStyle, dash) -> None:
    axis.plot(table["n_train"], table["mean_percent"], color=look.color, linestyle=dash, linewidth=1.3, zorder=2)
    for _, row in table.iterrows():
        if not np.isnan(row["low"]):
            axis.plot([row["n_train"]] * 2, [row["low"], row["high"]], color=look.color, linewidth=1.2, zorder=2)
    axis.plot(
        table["n_train"], table["mean_percent"], look.marker, color=look.color, markersize=6, markeredgecolor="white",
        markeredgewidth=0.7, zorder=3,
    )  # fmt: skip


def _key(look: ArmStyle, dash, marker: bool = True) -> Line2D:
    shape = {"marker": look.marker, "markersize": 5} if marker else {}
    return Line2D([], [], color=look.color, linestyle=dash, linewidth=1.3, label=cut(look.name, 60), **shape)


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    top = np.nanmax(table[["mean_percent", "high"]].to_numpy(float))
    return 0.0, float(min(100.0, 10 * np.ceil((top + 2) / 10)))


def _apart(numbers: pd.Series) -> list[int]:
    """Of some numbers those that can stand side by side on a log scale of a panel."""
    kept: list[int] = []
    for number in sorted(set(numbers)):
        if not kept or number / kept[-1] > 1.8:
            kept.append(int(number))
    return kept
