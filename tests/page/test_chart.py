"""The page's chart: positions of marks, arms that share a line, and scenarios that are not run."""

import pandas as pd
import pytest

from distillery.page.chart import FEW_LINES, LINE, TALL_LINE, summary_chart

COLUMNS = {"n_seeds": "3", "difference": "", "versus": "", "published_site": "", "published_notebook": ""}


def charted(tables, **changes):
    """The chart of the tables, with some columns of the summary replaced."""
    return summary_chart(tables | {"summary": tables["summary"].assign(**COLUMNS | changes)})


def rows_of(chart):
    return [row for group in chart.groups for row in group.rows]


def test_marks_stand_at_their_numbers(tables):
    chart = charted(tables)
    (a, b) = rows_of(chart)
    assert chart.ticks[-1] == (100.0, "50")  # the next ten above 45.2 % and its interval
    (scratch, kd) = a.lines[0]
    assert (scratch.x, scratch.low, scratch.high) == (60.0, 56.0, 64.0)  # 30 %, 28 to 32 %, of 50 %
    assert (kd.percent, kd.x, kd.low) == ("40.10", 80.2, None)  # it has no interval
    assert (scratch.side, kd.side) == (-1, 1)  # numbers are outside the two marks
    assert a.label == "from scratch 30.00 %, distilled 40.10 %" and b.train == "800 Google"
    assert "95 % interval: 28.00 to 32.00 %" in scratch.facts and "interval" not in kd.facts


def test_the_teacher_and_chance_have_their_lines(tables):
    tables["agreement"]["teacher_percent"] = "89.25"
    chart = charted(tables)
    assert chart.teacher == (pytest.approx(100 * 89.25 / 100, abs=9), "89.25") and chart.teacher[0] <= 100
    assert chart.ticks[-1][1] in ("80", "100") and chart.chance[1] == "10"
    assert [row.chance for group in chart.groups for row in group.rows] == [chart.chance[0]] * 2
    mixed = charted(tables, n_classes=["10", "10", "2", "2"])
    assert mixed.chance is None and [row.chance for group in mixed.groups for row in group.rows] == [10.0, 50.0]
    assert {row.teacher for group in chart.groups for row in group.rows} == {chart.teacher[0]}
    # other test images have other numbers
    tables["agreement"] = pd.DataFrame({"scenario": ["a", "b"], "teacher_percent": ["80.00", "45.00"]})
    mixed = charted(tables)
    assert mixed.teacher is None and mixed.has_teacher
    places = {row.scenario: row.teacher for group in mixed.groups for row in group.rows}
    assert places["a"] == pytest.approx(places["b"] * 80 / 45, rel=1e-3)
    del tables["agreement"]
    assert not charted(tables).has_teacher


def test_arms_share_a_line_in_pairs(tables):
    base = tables["summary"][tables["summary"]["scenario"] == "a"]
    arms = ["scratch", "kd", "published_kd", "dkd", "published_scratch"]
    rows = pd.concat([base.iloc[:1].assign(arm=arm, mean_percent=str(20 + i)) for i, arm in enumerate(arms)])
    (row,) = rows_of(charted(tables | {"summary": rows}))
    names = [[mark.name for mark in line] for line in row.lines]
    assert names == [
        ["from scratch", "distilled"],
        ["published recipe, from scratch", "published recipe, distilled"],
        ["dkd"],
    ]
    assert [mark.side for mark in row.lines[2]] == [1]


def test_published_numbers_are_drawn_once(tables):
    chart = charted(tables, published_site=["61.50", "", "", ""], published_notebook=["60.00", "44.00", "", ""])
    first, second = rows_of(chart)
    assert [mark.percent for mark in first.published] == ["61.50", "44.00"] and second.published == []
    assert first.published_line == 0
    repeated = tables["summary"].assign(arm=["scratch", "kd", "published_scratch", "published_kd"], scenario="a")
    (row,) = rows_of(charted(tables | {"summary": repeated}, published_site=["61.50", "", "61.50", ""]))
    assert [mark.percent for mark in row.published] == ["61.50"] and row.published_line == 1
    assert chart.has_published and not charted(tables).has_published


def test_a_scenario_that_is_not_run_keeps_its_place_and_says_why(tables):
    summary = tables["summary"].assign(not_run="")
    lost = summary.iloc[:2].assign(scenario="c", not_run="google refused (captcha)", mean_percent="", n_classes="")
    chart = charted(tables | {"summary": pd.concat([lost, summary])})
    assert [row.scenario for row in rows_of(chart)] == ["c", "a", "b"]
    assert rows_of(chart)[0].not_run == "not run: google refused (captcha)" and rows_of(chart)[0].lines == []


def test_many_lines_are_closer(tables):
    one = tables["summary"][tables["summary"]["scenario"] == "a"]
    many = pd.concat([one.assign(scenario=f"s{i}") for i in range(FEW_LINES + 1)])
    assert charted(tables).line == TALL_LINE and charted(tables | {"summary": many}).line == LINE
