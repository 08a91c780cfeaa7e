"""The page as a file: text from the web that cannot run, the chart, the citation and the captions."""

import json
from pathlib import Path

from distillery.page import charts
from distillery.page.render import bibtex, read_captions, script_json, vega


def test_titles_from_the_web_cannot_end_the_script():
    hostile = {"title": "</script><script>alert(1)</script><!--", "line": "\u2028"}
    text = script_json(hostile)
    assert "<" not in text and "\u2028" not in text and json.loads(text) == hostile


def test_the_chart_library_needs_no_network_and_ends_no_script():
    script = vega()
    assert len(script) > 500_000 and "</script" not in script


def test_the_chart_draws_the_summary_s_numbers(tables):
    summary = tables["summary"].reindex(columns=[*charts.SHOWN, "arm"], fill_value="")
    rows = charts.chart_rows(summary)
    assert [row["mean_percent_"] for row in rows] == [30.0, 40.1, 35.0, 45.2]
    assert rows[1]["interval"] == "none: the seeds agree" and "low_" not in rows[1]
    assert rows[3]["interval"] == "44.00 to 46.40"
    assert charts.chart_rows(summary.assign(n_seeds="1"))[1]["interval"] == "one seed"
    spec = charts.summary_chart(summary)
    assert spec["datasets"]["rows"] == rows and "http" not in json.dumps(spec).replace(spec["$schema"], "")
    assert "published" not in json.dumps(spec["layer"])  # nothing was
    summary.loc[1, "published_site"] = "61.50"
    assert "published" in json.dumps(charts.summary_chart(summary)["layer"])


def test_the_citation_is_bibtex(tmp_path):
    text = bibtex(Path(__file__).parents[2] / "CITATION.cff")
    assert text.startswith("@software{distillery,") and "Hinton, Geoffrey and Vinyals, Oriol" in text
    assert text.count("@") == 3 and text.count("{") == text.count("}")


def test_captions_are_read_from_both_kinds(tmp_path):
    (tmp_path / "summary.rst").write_text("Some\nwords.\n")
    (tmp_path / "figures.yaml").write_text("sizes: {title: T, tables: [], caption: C}\n")
    found = read_captions([str(tmp_path / "figures.yaml"), str(tmp_path / "summary.rst")])
    assert found["summary"] == {"title": "Summary", "caption": "Some words."} and found["sizes"]["caption"] == "C"
