"""Writes the documentation's gallery of a finished study: its figures, each with sentences generated from its tables.

    python -m distillery.page.docs_gallery RESULTS DOCS

writes `DOCS/gallery.md` and `DOCS/gallery/*.png`, shrunk as far as the figures stay readable.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from distillery.page.render import read_captions, read_tables
from distillery.page.sentences.answer import answer, highest_run
from distillery.page.sentences.insights import insights
from distillery.page.sentences.quoting import Sentence, Tables, named_table, say
from distillery.storage.files import atomic_path, atomic_write

REPORT = Path(__file__).parents[3] / "report"
WIDTH = 1100  # pixels at most
COLORS = 128  # of a shrunk figure's palette; an octree keeps the colors of small marks, a median cut does not


def write_gallery(results: str | Path, docs: str | Path) -> None:
    """Write the gallery of a study's figures; figures that it does not have are left out.

    Args:
        results: folder of a finished study, with `tables` and `figures`.
        docs: folder to write `gallery.md` and `gallery/*.png` in.
    """
    results, docs = Path(results), Path(docs)
    tables = read_tables(sorted(map(str, (results / "tables").glob("*.csv"))))
    captions = [str(REPORT / "figures.yaml"), *map(str, REPORT.glob("figure_*.rst"))]
    lines = ["# The figures of a study", ""]
    for paragraph in _about(tables):
        lines += [*_wrapped(paragraph), ""]
    for name, caption in read_captions(captions).items():
        figure = results / "figures" / f"{name}.png"
        if figure.exists():
            shrink(figure, docs / "gallery" / f"{name}.png")
            text = " ".join(sentence.text for sentence in figure_sentences(name, tables))
            lines += [f"## {caption['title']}", "", f"![{caption['title']}](gallery/{name}.png)", ""]
            lines += [*_wrapped(f"{text} *{caption['caption']}*".strip()), ""]
    atomic_write(docs / "gallery.md", "\n".join(lines).rstrip() + "\n")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def _about(tables: Tables) -> tuple[str, str]:
    return (
        "`make gallery` writes this page from the finished study [studies/real](../studies/real/config.yaml). The"
        " sentences come from its tables, as on every study's own page, `results/report.html`. Its source `unseen`"
        " has images of CIFAR-10 that the teacher never saw, `web` has uncleaned photographs from the web.",
        " ".join(sentence.text for sentence in answer(tables)),
    )


def figure_sentences(figure: str, tables: Tables) -> Iterator[Sentence]:
    """The page's sentences that quote the table that a figure shows.

    Args:
        figure: its name.
        tables: all tables by name.
    """
    sentences = insights(tables) + answer(tables)
    table = {"sizes": "summary", "classes": "per_class", "reliability": "calibration"}.get(figure, figure)
    yield from (sentence for sentence in sentences if table in sentence.tables)
    if figure == "curves":
        yield _curves(tables)


def _curves(tables: Tables) -> Sentence:
    rows = named_table(tables, "curves").of(highest_run(tables))
    validated = rows.where(rows["val_percent"] != "")
    steps = validated if len(validated) else rows
    text = "From step {first[step]} to step {last[step]} the training loss of {first[scenario]} ({first.arm}) goes from"
    text += " {first[loss]} to {last[loss]}."
    if len(validated):
        text = "From step {first[step]} to step {last[step]} the validation accuracy of {first[scenario]} ({first.arm})"
        text += " goes from {first[val_percent]} % to {last[val_percent]} %."
    return say(text, first=steps.first(), last=steps.last())


def shrink(figure: Path, output: Path) -> None:
    """Write a copy of a figure with at most `WIDTH` pixels of width and `COLORS` colors."""
    with Image.open(figure) as original:
        image = original.convert("RGB")
        if image.width > WIDTH:
            image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        with atomic_path(output) as temporary:
            image.quantize(COLORS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
                temporary, format="PNG", optimize=True
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the study's results")
    parser.add_argument("docs", help="folder of the documentation")
    options = parser.parse_args()
    write_gallery(options.results, options.docs)
