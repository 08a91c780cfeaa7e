"""The page's interactive chart, as a Vega-Lite specification."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from distillery.analysis.table_files import run_rows
from distillery.display_names import display_name, not_run_text
from distillery.figures.styles import arm_styles

SHAPES = {  # Vega-Lite's shapes by Matplotlib's markers
    "o": "circle", "D": "diamond", "s": "square", "^": "triangle-up", "v": "triangle-down", "P": "cross",
    "p": "triangle-right", "X": "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z",
}  # fmt: skip
ROW = 34  # pixels a scenario
SHOWN = ("scenario", "train", "size", "n_train", "n_test", "n_seeds", "mean_percent", "low", "high", "sd", "versus",
         "difference", "p_holm", "published_site", "published_notebook")  # fmt: skip


def chart_rows(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The chart's data, a row per scenario and arm.

    Cells are text, as they are shown. Those that are drawn exist as numbers too, in columns that end in `_`.
    """
    rows = []
    for row in summary.to_dict("records"):
        item = {name: row[name] for name in SHOWN} | {"arm": row["arm"], "name": display_name(row["arm"])}
        item |= {f"{name}_": float(row[name]) for name in ("mean_percent", "low", "high") if row[name]}
        if row.get("not_run"):
            item["not_run"] = not_run_text(row["not_run"])
        missing = "one seed" if row["n_seeds"] == "1" else "none: the seeds agree"
        item["interval"] = f"{row['low']} to {row['high']}" if row["low"] else missing
        rows.append(item)
    return rows


def summary_chart(summary: pd.DataFrame) -> dict[str, Any]:
    """Scenarios in rows, arms as colored shapes, intervals as bars.

    Its data set is named `rows`: the page replaces it by the rows that its filters leave.
    """
    styles = arm_styles(list(dict.fromkeys(run_rows(summary)["arm"])))
    names = [style.name for style in styles.values()]
    color = alt.Scale(domain=names, range=[style.color for style in styles.values()])
    shape = alt.Scale(domain=names, range=[SHAPES[style.marker] for style in styles.values()])
    y = alt.Y("scenario:N", sort=None, title=None, axis=alt.Axis(labelLimit=180, domain=False, ticks=False))
    offset = alt.YOffset("name:N", sort=names)
    data = chart_rows(summary)
    hover = [alt.Tooltip(f"{name}:N", title=title) for name, title in (
        ("train", "train images"), ("name", "arm"), ("n_train", "n"), ("mean_percent", "accuracy, %"),
        ("interval", "95 % interval"), ("n_seeds", "seeds"), ("n_test", "test images"),
        ("difference", "difference, points"), ("p_holm", "p over seeds (Holm)"), ("published_site", "published, %"),
    ) if name != "published_site" or any(row[name] for row in data)]  # fmt: skip
    base = alt.Chart(alt.NamedData("rows")).encode(y=y, yOffset=offset)
    axis, scale = alt.Axis(tickCount=8), alt.Scale(domain=[0, _top(summary)])
    x = alt.X("mean_percent_:Q", title="accuracy on the test images, percent", axis=axis, scale=scale)
    bars = base.mark_rule(strokeWidth=1.6).encode(
        x=alt.X("low_:Q"), x2="high_:Q", color=alt.Color("name:N", scale=color, title=None)
    )
    points = base.mark_point(filled=True, size=95, opacity=1).encode(
        x=x, color=alt.Color("name:N", scale=color, title=None), shape=alt.Shape("name:N", scale=shape, title=None),
        tooltip=hover,
    )  # fmt: skip
    count = summary["scenario"].nunique()
    layers = bars + points
    if any("not_run" in row for row in data):
        # the first layer gives the rows their order, and the others have no mark for a scenario that is not run
        layers = base.mark_point(opacity=0) + layers + _not_run_marks()
    chart = layers.properties(width="container", height=count * row_height(summary))
    # text has the page's own color, light or dark
    ink = {"labelColor": "currentColor", "titleColor": "currentColor"}
    chart = chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    chart = chart.configure(background="transparent").configure_view(stroke=None)
    chart = chart.configure_axis(**ink, gridOpacity=0.25, gridColor="gray", labelFontSize=12, titleFontWeight="normal")
    chart = chart.configure_legend(labelColor="currentColor", orient="top", labelFontSize=12, columns=4, labelLimit=260)
    return chart.to_dict() | {"datasets": {"rows": data}}


def _not_run_marks() -> alt.LayerChart:
    """Hollow gray marks at the left of the axis, each with the reason why its scenario is not run."""
    base = alt.Chart(alt.NamedData("rows")).transform_filter("isValid(datum.not_run)")
    base = base.transform_aggregate(groupby=["scenario", "not_run"])  # one mark a scenario, whichever arms are shown
    base = base.encode(y=alt.Y("scenario:N", sort=None), x=alt.datum(0))
    mark = base.mark_point(filled=False, size=70, color="gray", opacity=1, xOffset=8)
    text = base.mark_text(align="left", dx=18, fontSize=12, color="gray").encode(text="not_run:N")
    return mark + text


def row_height(summary: pd.DataFrame) -> int:
    """Pixels of a scenario: enough for all arms, one below the other."""
    return max(ROW, 11 * summary["arm"].nunique() + 8)


def _top(summary: pd.DataFrame) -> float:
    """The end of the axis: the next ten above all means and intervals, so that filters do not move it."""
    highest = summary[["mean_percent", "high"]].apply(pd.to_numeric).to_numpy(float)
    return min(100.0, 10 * math.ceil((np.nanmax(highest) + 1) / 10))
