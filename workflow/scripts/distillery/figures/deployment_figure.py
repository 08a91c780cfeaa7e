"""The deployment figure: accuracy of exported models against their file size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from distillery.analysis.table_files import read_table
from distillery.display_names import display_name
from distillery.figures.layout import draw_legend, draw_title_block, strip_height
from distillery.figures.styles import arm_styles, hide_spines, panel_style, save_figure

WIDTH, HEIGHT, PLOT, BELOW = 7.2, 5.0, 3.1, 0.65  # inches; the last is below the plot
TEACHER = ("#555555", "s")  # color and marker


def plot_deployment(table: str | Path, outputs: Sequence[str | Path], title: str, label: str) -> None:
    """Draw `deployment.csv`: accuracy with 95 % interval against file size, a mark per file.

    Args:
        table: `deployment.csv`.
        outputs: the `.png` and `.svg` to write.
        title: the figure's heading.
        label: text of a strip across the top; no strip if empty.
    """
    with panel_style():
        save_figure(draw_deployment(read_table(table).fillna({"arm": ""}), title, label), *outputs)


def draw_deployment(table: pd.DataFrame, title: str, label: str) -> Figure:
    """The figure of `plot_deployment`; filled marks are float32, hollow ones int8.

    With students of several scenarios their marks are named: an arm's marks have one color.
    """
    measured = pd.to_numeric(table["file_bytes"], errors="coerce").notna()
    table = table[measured]  # a teacher that could not be measured has no mark
    height = HEIGHT + strip_height(label)
    figure = plt.figure(figsize=(WIDTH, height))
    text = "accuracy on the test images, percent, with the 95 % interval over images, against the size of the file"
    strip = draw_title_block(figure, title, text, label)
    axes = figure.add_axes((0.1, BELOW / height, 0.86, PLOT / height))
    arms = [arm for arm in dict.fromkeys(table["arm"]) if arm]
    styles = arm_styles(arms)
    handles = [
        Line2D([], [], color=styles[arm].color, marker=styles[arm].marker, ls="", label=display_name(arm))
        for arm in arms
    ]
    several = table.loc[table["arm"] != "", "scenario"].nunique() > 1
    for _, row in table.iterrows():
        color, marker = (styles[row["arm"]].color, styles[row["arm"]].marker) if row["arm"] else TEACHER
        middle, low, high = (float(row[name]) for name in ("accuracy_percent", "accuracy_low", "accuracy_high"))
        size = float(row["file_bytes"]) / 1e6
        face = color if row["precision"] == "float32" else "white"
        axes.errorbar(
            size,
            middle,
            [[middle - low], [high - middle]],
            color=color,
            marker=marker,
            mfc=face,
            ms=8,
            capsize=3,
            lw=1.2,
        )
        if several and row["arm"] and row["precision"] == "float32":
            axes.annotate(
                row["scenario"], (size, high), (0, 4), textcoords="offset points", ha="center", fontsize=7, color=color
            )
    if "teacher" in set(table["model"]):
        handles.append(Line2D([], [], color=TEACHER[0], marker=TEACHER[1], ls="", label="teacher"))
    handles += [
        Line2D([], [], color="black", marker="o", ls="", label="float32"),
        Line2D([], [], color="black", marker="o", mfc="white", ls="", label="int8"),
    ]
    sizes = sorted(set(round(float(size) / 1e6, 2) for size in table["file_bytes"]))
    axes.set_xscale("log")
    axes.set_xlim(0.7 * sizes[0], 1.4 * sizes[-1])
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("size of the file, megabytes")
    axes.set_ylabel("accuracy, percent")
    hide_spines(axes)
    axes.grid(axis="y", color="#e5e5e5", lw=0.8)
    axes.set_axisbelow(True)
    draw_legend(figure, handles, (0.1, 1 - (strip + 0.92) / height), len(handles))
    return figure
