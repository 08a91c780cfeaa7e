"""Typesets the summary as Markdown and LaTeX tables, for notes and papers; arms have their display names."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from distillery.analysis.formatting import not_covered_text, p_title
from distillery.analysis.table_files import read_text_table
from distillery.display_names import display_name, lacking_text, not_run_text
from distillery.jobs import one_line
from distillery.storage.files import atomic_write

P = "p"  # replaced by `p_title`, which names the correction
HEAD = (
    "scenario", "train images", "arm", "n", "seeds", "accuracy, %", "95 % interval", "difference", "against",
    "95 % interval ", P, "published, %",
)  # fmt: skip


def typeset_summary(summary: str | Path, markdown: str | Path, latex: str | Path, title: str, label: str = "") -> None:
    """Write the summary as a Markdown and as a LaTeX table (booktabs).

    Args:
        summary: `summary.csv`.
        markdown, latex: the files to write.
        title: the study's title, for heading and caption.
        label: text below the heading and in the caption; none if empty.
    """
    title, label = one_line(title), one_line(label)
    table = read_text_table(summary)
    if "lacking" in table:
        label = f"{label}. {lacking_text(table['lacking'].iloc[0])}".removeprefix(". ")
    label = ". ".join(text for text in (label, not_covered_text(table)) if text)
    cells = pd.DataFrame([_cells(row) for _, row in table.iterrows()], columns=list(HEAD))
    cells = cells.rename(columns={P: p_title(table)})
    atomic_write(markdown, _markdown(cells, title, label))
    caption = escaped(f"{title}. {label}" if label else title)
    cells = cells.map(escaped).rename(columns=escaped)
    styled = cells.style.hide(axis="index").to_latex(hrules=True, caption=caption, column_format="lllrrrlrllrr")
    atomic_write(latex, styled)


def _cells(row: pd.Series) -> list[str]:
    interval = _interval(row["low"], row["high"])
    difference_interval = _interval(row["difference_low"], row["difference_high"])
    published = row["published_site"] or row["published_notebook"]
    accuracy = not_run_text(row["not_run"]) if row.get("not_run") else row["mean_percent"]
    return [
        row["scenario"], row["train"], display_name(row["arm"]), row["n_train"], row["n_seeds"], accuracy, interval,
        row["difference"], display_name(row["versus"]), difference_interval, row["p_holm"], published,
    ]  # fmt: skip


def _interval(low: str, high: str) -> str:
    return f"[{low}, {high}]" if low else ""


def _markdown(cells: pd.DataFrame, title: str, label: str) -> str:
    lines = [f"# {title}", "", *([f"*{label}*", ""] if label else [])]
    lines += ["| " + " | ".join(name.strip() for name in cells.columns) + " |", "|---" * len(cells.columns) + "|"]
    lines += ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in cells.to_numpy()]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    special |= {character: f"${character}$" for character in "<>"}  # in LaTeX text they print as other characters
    return "".join(special.get(character, character) for character in text)
