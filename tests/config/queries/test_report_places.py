"""Every output in Snakemake's report has a place, labels and a caption there."""

import re
from types import SimpleNamespace

import pytest
from running import ROOT

from distillery.config.queries.report_places import SHEET_NAMES, SHEETS, place_in_report
from distillery.config.targets import report_files
from distillery.config.targets.report_files import read_figures

REPORT = ROOT / "workflow" / "report"
CHARTS, PLACES = (read_figures(REPORT / name) for name in ("figures.yaml", "places.yaml"))
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
PATHS = [*PLACES, *(f"results/figures/{name}.{form}" for name in CHARTS for form in ("png", "svg"))]


@pytest.mark.parametrize("path", PATHS)
def test_an_output_has_its_place_labels_and_caption(path):
    place = place_in_report(path, CHARTS, PLACES)
    assert (REPORT / place["caption"].removeprefix("../report/")).read_text().strip()
    assert place["category"] in ("Answer", "Charts", "Images", "Tables")
    assert (place["subcategory"] is not None) == (place["category"] in ("Images", "Tables"))
    labels = place["labels"]
    if path == SHEETS:
        for kind in (*report_files.SHEETS, report_files.REJECTED, report_files.LEFT_OUT):
            assert labels(SimpleNamespace(kind=kind, source="bing")) == {"source": "bing", "sheet": SHEET_NAMES[kind]}
    else:
        assert labels and all(isinstance(text, str) and text for text in labels.values())


def test_a_list_has_the_same_columns_for_all_and_no_two_alike():
    """Otherwise the report's lists show files' names, or one entry for two results."""
    lists = {}
    for path in PATHS:
        place = place_in_report(path, CHARTS, PLACES)
        if path != SHEETS:
            lists.setdefault((place["category"], place["subcategory"]), []).append(place["labels"])
    for labels in lists.values():
        assert len({tuple(each) for each in labels}) == 1
        assert len({tuple(each.values()) for each in labels}) == len(labels)


def test_no_rule_has_another_way_into_the_report():
    """Rules mark outputs for the report only with `in_report`, and these are the outputs in the files of places."""
    assert len(re.findall(r"(?<![\w_])report\(", RULES)) == 1
    shown = set(re.findall(r'in_report\("([^"]+)"\)', RULES))
    assert shown == set(PLACES)
    assert "list(map(in_report, figures(" in RULES


def test_an_output_without_a_place_is_an_error():
    with pytest.raises(KeyError):
        place_in_report("results/tables/other.csv", CHARTS, PLACES)
