"""Data of the page's chart for its template: a row per scenario, with marks placed in percent of the axis.

So the chart needs no script and fits any width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from distillery.analysis.formatting import p_phrase
from distillery.analysis.table_files import run_rows
from distillery.display_names import display_name, not_run_text
from distillery.figures.styles import PAIRS, PUBLISHED, ArmStyle, arm_styles, lines_of_arms
from distillery.page.sentences.quoting import Tables, numbers

# Matplotlib marker → SVG outline around the origin, about 11 pixels wide
SHAPES = {
    "o": "M-5.5,0a5.5,5.5 0 1,0 11,0a5.5,5.5 0 1,0 -11,0Z",
    "D": "M0,-6.5L6.5,0L0,6.5L-6.5,0Z",
    "s": "M-5,-5H5V5H-5Z",
    "^": "M0,-6L6,5H-6Z",
    "v": "M0,6L6,-5H-6Z",
    "P": "M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    "X": "M-6,-3L-3,-6L0,-3L3,-6L6,-3L3,0L6,3L3,6L0,3L-3,6L-6,3L-3,0Z",
    "p": "M0,-6L6,-1L4,6H-4L-6,-1Z",
}
LINE, TALL_LINE = 30, 40  # pixels of a scenario's first line of marks; tall in a chart of at most `FEW_LINES` lines
NEXT_LINE = 24  # pixels of its other lines
FEW_LINES = 8
INK = "#000000"  # replaced by the color of the page's text, which is light or dark


@dataclass(frozen=True)
class Mark:
    """One arm's mean.

    Attributes:
        name: the arm's display name.
        percent: the mean in percent, as text.
        x, low, high: positions of the mean and of its interval in percent of the axis; None without an interval.
        color, shape: an SVG color and outline.
        side: −1 or 1: the number is left or right of the mark.
        facts: text of the tooltip, one fact per line.
    """

    name: str
    percent: str
    x: float
    low: float | None
    high: float | None
    color: str
    shape: str
    side: int
    facts: str


@dataclass(frozen=True)
class ChartRow:
    """One scenario.

    Attributes:
        scenario: its name.
        train: description of its train images.
        lines: marks by line; arms of a pair share a line.
        published: marks of published numbers.
        published_line: index of their line: that of the arms with the published recipe if there is one, else the first.
        not_run: reason why the scenario is not run; empty if it is run.
        label: the whole row as text, for screen readers.
        chance: position of the chance level, percent of the axis; None if it is not run.
        teacher: position of the teacher's accuracy on the same test images; None if unknown.
    """

    scenario: str
    train: str
    lines: list[list[Mark]] = field(default_factory=list)
    published: list[Mark] = field(default_factory=list)
    published_line: int = 0
    not_run: str = ""
    label: str = ""
    chance: float | None = None
    teacher: float | None = None


@dataclass(frozen=True)
class ChartGroup:
    """The scenarios of one size."""

    size: str
    rows: list[ChartRow]


@dataclass(frozen=True)
class Chart:
    """Everything that the chart draws.

    Attributes:
        groups: rows by size.
        arms: styles of the arms that are drawn.
        ticks: (position, text) of the axis; positions in percent of its width.
        teacher: (position, text) of the teacher's accuracy on the common test images; None if unknown, or if it differs
            between scenarios. Then only rows have it.
        chance: (position, text) of the chance level; None if scenarios differ in their number of classes. Then only
            rows have it.
        has_published: whether a published number is drawn.
    """

    groups: list[ChartGroup]
    arms: list[ArmStyle]
    ticks: list[tuple[float, str]]
    teacher: tuple[float, str] | None
    chance: tuple[float, str] | None
    has_published: bool

    @property
    def has_teacher(self) -> bool:
        """Whether the teacher's accuracy is drawn."""
        return any(row.teacher is not None for group in self.groups for row in group.rows)

    @property
    def line(self) -> int:
        """Height of a scenario's first line of marks, pixels."""
        count = sum(max(1, len(row.lines)) for group in self.groups for row in group.rows)
        return TALL_LINE if count <= FEW_LINES else LINE


def shape_of(style: ArmStyle) -> str:
    """The SVG outline of an arm's marker."""
    return SHAPES[style.marker]


def color_of(style: ArmStyle) -> str:
    """The SVG color of an arm; black becomes the color of the page's text."""
    return "currentColor" if style.color == INK else style.color


def summary_chart(tables: Tables) -> Chart:
    """The chart of `summary.csv`, with the teacher's accuracy from `agreement.csv`."""
    summary = tables["summary"]
    run = run_rows(summary)
    teachers = _teacher_percents(tables)
    axis = _Axis.of(run, max(map(float, teachers.values()), default=0.0))
    styles = arm_styles(list(dict.fromkeys(run["arm"])))
    groups = [
        ChartGroup(str(size), [_row(axis, rows, styles, teachers) for _, rows in group.groupby("scenario", sort=False)])
        for size, group in summary.groupby("size", sort=False)
    ]
    return Chart(
        groups=groups,
        arms=list(styles.values()),
        ticks=axis.ticks(),
        teacher=_teacher(axis, teachers),
        chance=_chance(axis, run),
        has_published=any(row.published for group in groups for row in group.rows),
    )


@dataclass(frozen=True)
class _Axis:
    """Accuracy in percent from 0 to `top`."""

    top: float

    @classmethod
    def of(cls, run: pd.DataFrame, teacher: float) -> _Axis:
        """An axis that holds all means, intervals, published numbers and the teacher's accuracy."""
        drawn = run.reindex(columns=["mean_percent", "high", "published_site", "published_notebook"], fill_value="")
        highest = drawn.apply(numbers).max().max()
        highest = max(highest, teacher)
        return cls(min(100.0, 10 * math.ceil((highest + 1) / 10)))

    def place(self, percent: float) -> float:
        """Position of an accuracy in percent of the axis."""
        return round(100 * min(max(percent, 0.0), self.top) / self.top, 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Ticks at round numbers, at most six: (position, text)."""
        step = 10 if self.top <= 50 else 20
        return [(self.place(value), str(value)) for value in range(0, int(self.top) + 1, step)]


def _teacher_percents(tables: Tables) -> dict[str, str]:
    """The teacher's accuracy on the common test images of each scenario, percent as text; empty if unknown."""
    if "agreement" not in tables or "teacher_percent" not in tables["agreement"]:
        return {}
    known = tables["agreement"][tables["agreement"]["teacher_percent"] != ""]
    found = dict(zip(known["scenario"], known["teacher_percent"], strict=True))
    if len(same := set(found.values())) == 1:  # then it holds for all scenarios
        found = dict.fromkeys(run_rows(tables["summary"])["scenario"], same.pop())
    return found


def _teacher(axis: _Axis, teachers: Mapping[str, str]) -> tuple[float, str] | None:
    """Position and text of the teacher's accuracy if it is the same in all scenarios."""
    same = set(teachers.values())
    return (axis.place(float(text)), text) if len(same) == 1 and (text := next(iter(same))) else None


def _chance(axis: _Axis, run: pd.DataFrame) -> tuple[float, str] | None:
    classes = run["n_classes"].unique()
    if len(classes) != 1:
        return None
    percent = _percent_of_guessing(classes[0])
    return axis.place(percent), f"{percent:.3g}"


def _percent_of_guessing(n_classes: str) -> float:
    return 100 / int(n_classes)


def _row(axis: _Axis, rows: pd.DataFrame, styles: Mapping[str, ArmStyle], teachers: Mapping[str, str]) -> ChartRow:
    first = rows.iloc[0]
    if run_rows(rows).empty:
        reason = not_run_text(first["not_run"])
        return ChartRow(first["scenario"], first["train"], not_run=reason, label=reason)
    by_arm = {row["arm"]: row for row in rows.to_dict("records")}
    arms = lines_of_arms(list(by_arm))
    lines = [_line(axis, line, by_arm, styles) for line in arms]
    published_lines = [place for place, line in enumerate(arms) if set(line) & set(PAIRS[1])]
    label = ", ".join(f"{mark.name} {mark.percent} %" for line in lines for mark in line)
    published = list(_published(axis, by_arm))
    place = published_lines[0] if published_lines else 0
    chance = axis.place(_percent_of_guessing(run_rows(rows).iloc[0]["n_classes"]))
    teacher = axis.place(float(teachers[first["scenario"]])) if first["scenario"] in teachers else None
    return ChartRow(first["scenario"], first["train"], lines, published, place, "", label, chance, teacher)


def _line(
    axis: _Axis, arms: Sequence[str], by_arm: Mapping[str, Mapping[str, str]], styles: Mapping[str, ArmStyle]
) -> list[Mark]:
    """Marks of one line; the number of the lower mean is left of its mark."""
    means = [float(by_arm[arm]["mean_percent"]) for arm in arms]
    sides = [-1 if len(arms) > 1 and mean == min(means) else 1 for mean in means]
    if len(set(means)) == 1 and len(arms) > 1:
        sides = [-1, 1]
    return [_mark(axis, by_arm[arm], styles[arm], side) for arm, side in zip(arms, sides, strict=True)]


def _mark(axis: _Axis, row: Mapping[str, str], style: ArmStyle, side: int) -> Mark:
    low, high = (axis.place(float(row[name])) if row["low"] else None for name in ("low", "high"))
    x = axis.place(float(row["mean_percent"]))
    return Mark(style.name, row["mean_percent"], x, low, high, color_of(style), shape_of(style), side, _facts(row))


def _facts(row: Mapping[str, str]) -> str:
    """Text of the tooltip of a mean."""
    lines = [f"{row['train']}, {display_name(row['arm'])}: {row['mean_percent']} %"]
    if row["low"]:
        lines.append(f"95 % interval: {row['low']} to {row['high']} %")
    lines.append(f"{row['n_train']} train images, {row.get('n_seeds', '')} seeds, {row['n_test']} test images")
    if row.get("difference"):
        lines.append(f"difference to {display_name(row['versus'])}: {row['difference']} percentage points")
    if row.get("p_holm"):
        lines.append(f"{p_phrase(row['p_holm'])} ({row['correction']})")
    return "\n".join(lines)


def _published(axis: _Axis, by_arm: Mapping[str, Mapping[str, str]]) -> Iterator[Mark]:
    """Marks of published numbers: those of the website, or of the notebook if the website has none."""
    for style, arms in PUBLISHED:
        rows = [by_arm[arm] for arm in arms if arm in by_arm]
        known = [row.get("published_site") or row.get("published_notebook") for row in rows]
        if percent := next(filter(None, known), ""):
            facts = f"published, {style.name}: {percent} %"
            yield Mark(style.name, percent, axis.place(float(percent)), None, None, color_of(style), shape_of(style),
                       1, facts)  # fmt: skip
