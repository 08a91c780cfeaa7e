"""The summary in Markdown and LaTeX has the cells of the CSV, and arms by their display names."""

import pandas as pd

from distillery.analysis.study_tables.typesetting import escaped, typeset_summary


def test_the_summary_in_markdown_and_latex(tmp_path):
    row = dict.fromkeys(
        ("scenario", "train", "arm", "n_train", "n_seeds", "mean_percent", "low", "high", "difference", "versus"), ""
    )
    row |= dict.fromkeys(
        (
            "p_holm",
            "correction",
            "not_covered",
            "difference_low",
            "difference_high",
            "published_site",
            "published_notebook",
        ),
        "",
    )
    row |= {
        "scenario": "web",
        "train": "8 a|b_c",
        "arm": "kd_2",
        "mean_percent": "50.00",
        "low": "1.00",
        "high": "2.00",
    }
    pd.DataFrame([row]).to_csv(tmp_path / "s.csv", index=False)
    typeset_summary(tmp_path / "s.csv", tmp_path / "s.md", tmp_path / "s.tex", "A 100 % study", "Demo")
    markdown, latex = (tmp_path / "s.md").read_text(), (tmp_path / "s.tex").read_text()
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert markdown.startswith("# A 100 % study\n\n*Demo*") and len(lines) == 3
    assert lines[2] == "| web | 8 a\\|b_c | kd_2 |  |  | 50.00 | [1.00, 2.00] |  |  |  |  |  |"
    assert {line.replace("\\|", "").count("|") for line in lines} == {13}
    assert r"8 a|b\_c & kd\_2" in latex and r"A 100 \% study. Demo" in latex and "nan" not in latex.lower()
    assert r"\toprule" in latex and latex.count("&") == 22


def test_arms_have_their_display_names(tmp_path):
    names = ("scenario", "train", "n_train", "n_seeds", "mean_percent", "low", "high", "difference", "difference_low")
    row = dict.fromkeys(
        (
            *names,
            "versus",
            "correction",
            "not_covered",
            "difference_high",
            "p_holm",
            "published_site",
            "published_notebook",
        ),
        "",
    )
    pd.DataFrame([row | {"arm": arm} for arm in ("scratch", "kd")]).to_csv(tmp_path / "s.csv", index=False)
    typeset_summary(tmp_path / "s.csv", tmp_path / "s.md", tmp_path / "s.tex", "A study")
    for path in ("s.md", "s.tex"):
        text = (tmp_path / path).read_text()
        assert "from scratch" in text and "distilled" in text and "kd" not in text


def test_latex_is_escaped():
    assert escaped("< 0.0001") == "$<$ 0.0001"
    assert (
        escaped("50 % of a_b & {c}~^\\") == r"50 \% of a\_b \& \{c\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
