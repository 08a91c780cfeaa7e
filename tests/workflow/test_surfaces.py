"""All tables, figures and the page print the same difference, interval and p of a comparison, and p's correction."""

import html
import re

import matplotlib.pyplot as plt
import pytest

from distillery.analysis.formatting import p_phrase
from distillery.analysis.study_tables.typesetting import escaped
from distillery.analysis.table_files import read_table
from distillery.display_names import display_name
from distillery.figures.styles import row_style, save_figure
from distillery.figures.summary import summary_figure

from .conftest import rows

pytestmark = pytest.mark.slow

CORRECTION = "Holm, within the question"
NUMBERS = ("difference", "low", "high", "p_holm")


@pytest.fixture(scope="module")
def tests(finished):
    """(scenario, arm) → the numbers of its first comparison within the scenario, from comparisons.csv."""
    found = {}
    for row in rows(finished.folder / "results" / "tables" / "comparisons.csv"):
        assert row["correction"] == CORRECTION and row["p_holm"]
        found.setdefault((row["scenario"], row["arm"]), row)
    assert len(found) == 3  # web, color, sd2: the others train one arm
    return found


def test_the_summary_table_has_the_numbers_of_comparisons(finished, tests):
    summary = {(row["scenario"], row["arm"]): row for row in rows(finished.folder / "results/tables/summary.csv")}
    for key, row in summary.items():
        mine = [row[name] for name in ("difference", "difference_low", "difference_high", "p_holm")]
        expected = tests.get(key)
        assert mine == ([expected[name] for name in NUMBERS] if expected else [""] * 4)
        assert row["correction"] == (CORRECTION if expected else "")


def test_markdown_and_latex_have_the_numbers_of_comparisons(finished, tests):
    lines = (finished.folder / "results/tables/summary.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    latex = (finished.folder / "results/tables/summary.tex").read_text()
    assert f"p ({CORRECTION})" in cells[0] and f"p ({CORRECTION})" in latex
    by_arm = {(row[0], row[2]): dict(zip(cells[0], row, strict=True)) for row in cells[1:]}
    for (scenario, arm), row in tests.items():
        printed = by_arm[scenario, display_name(arm)]
        assert (printed["difference"], printed[f"p ({CORRECTION})"]) == (row["difference"], row["p_holm"])
        (line,) = [
            line for line in latex.splitlines() if line.startswith(scenario) and f" & {display_name(arm)} & " in line
        ]
        interval = f"[{row['low']}, {row['high']}]"
        assert (
            f" & {row['difference']} & {display_name(row['versus_arm'])} & {interval} & {escaped(row['p_holm'])} & "
            in line
        )


def test_the_page_has_the_numbers_of_comparisons(finished, tests):
    page = html.unescape((finished.folder / "results/report.html").read_text())
    for table, names in (("summary", ("difference", "p_holm")), ("comparisons", NUMBERS)):
        start = page.index(f'<table data-table="{table}">')
        part = page[start : page.index("</table>", start)]
        assert f'<th scope="col">p ({CORRECTION})</th>' in part
        printed = [dict(re.findall(r'data-column="(\w+)"[^>]*>([^<]*)</td>', line.replace("< 0", "≺ 0")))
                   for line in part.split("<tr>")[2:]]  # fmt: skip
        keyed = [re.findall(r'data-column="arm" data-key="(\w+)"', line)[0] for line in part.split("<tr>")[2:]]
        found = {(row["scenario"], arm): row for row, arm in zip(printed, keyed, strict=True)}
        for key, row in tests.items():
            assert [found[key][name].replace("≺", "<") for name in names] == [row[name] for name in names]


def test_the_figures_have_the_numbers_of_comparisons(finished, tests, tmp_path):
    results = finished.folder / "results"
    table, label = read_table(results / "tables/summary.csv"), finished.config["demo"]["label"]
    with row_style():
        figure = summary_figure._draw(table, finished.config["title"], label)
        texts = [text.get_text() for text in figure.axes[0].texts]
        save_figure(figure, tmp_path / "summary.png")
    plt.close("all")
    assert (tmp_path / "summary.png").read_bytes() == (results / "summary.png").read_bytes()
    assert f"difference, p ({CORRECTION})" in texts
    drawn = html.unescape((results / "figures/comparisons.svg").read_text())
    assert f"p ({CORRECTION})" in drawn
    for (_, arm), row in tests.items():
        names = f"{display_name(arm)} − {display_name(row['versus_arm'])}"
        difference = f"{float(row['difference']):+.2f}".replace("-", "−")
        assert f"{difference}, {p_phrase(row['p_holm'])}: {names}" in texts
        assert f"<!-- {p_phrase(row['p_holm'])} -->" in drawn
