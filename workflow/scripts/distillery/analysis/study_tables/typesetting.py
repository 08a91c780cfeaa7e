"""The summary for a paper or a page of notes: LaTeX and Markdown, the same cells as the CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from distillery.storage.files import atomic_write

HEAD = (
    "scenario", "train images", "arm", "n", "seeds", "accuracy, %", "95 % interval", "difference",
    "95 % interval ", "p (Holm)", "published, %",
)  # fmt: skip


def typeset_summary(summary: str | Path, markdown: str | Path, latex: str | Path, title: str, label: str = "") -> None:
    """Write the summary as a Markdown and as a LaTeX table (booktabs).

    Args:
        summary: `summary.csv`.
        markdown, latex: the files to write.
        title: the study's, as a heading and as the caption.
        label: stands below the heading when not empty.
    """
    table = pd.read_csv(summary, dtype=str, keep_default_na=False)
    cells = pd.DataFrame([_cells(row) for _, row in table.iterrows()], columns=HEAD)
    atomic_write(markdown, _markdown(cells, title, label))
    caption = escaped(f"{title}. {label}" if label else title)
    cells = cells.map(escaped).rename(columns=escaped)
    styled = cells.style.hide(axis="index").to_latex(hrules=True, caption=caption, column_format="lllrrrlrlrr")
    atomic_write(latex, styled)


def _cells(row: pd.Series) -> list[str]:
    interval, reach = (_interval(row[f"{part}low"], row[f"{part}high"]) for part in ("", "difference_"))
    published = row["published_site"] or row["published_notebook"]
    return [row["scenario"], row["train"], row["arm"], row["n_train"], row["n_seeds"], row["mean_percent"], interval,
            row["difference"], reach, row["p_holm"], published]  # fmt: skip


def _interval(low: str, high: str) -> str:
    return f"[{low}, {high}]" if low else ""


def _markdown(cells: pd.DataFrame, title: str, label: str) -> str:
    lines = [f"# {title}", "", *([f"*{label}*", ""] if label else [])]
    lines += ["| " + " | ".join(name.strip() for name in cells.columns) + " |", "|---" * len(cells.columns) + "|"]
    lines += ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in cells.to_numpy()]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text with LaTeX's own characters made harmless."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)
