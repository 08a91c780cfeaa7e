"""The gallery of a finished study for the documentation: its figures, each with what it says in a sentence.

    PYTHONPATH=workflow/scripts python -m distillery.page.gallery RESULTS DOCS

writes `DOCS/gallery.md` and the figures, as small as they stay readable, beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from distillery.page import sentences
from distillery.page.quoting import Sentence, Tables, named, say
from distillery.page.render import read_captions, read_tables
from distillery.storage.files import atomic_path, atomic_write

REPORT = Path(__file__).parents[3] / "report"
WIDTH = 1100  # pixels at most
COLORS = 64


def write_gallery(results: str | Path, docs: str | Path) -> None:
    """Write the gallery of the figures that are there.

    Args:
        results: folder of a finished study, with `tables` and `figures`.
        docs: folder to write `gallery.md` and `gallery/*.png` in.
    """
    results, docs = Path(results), Path(docs)
    tables = read_tables(sorted(map(str, (results / "tables").glob("*.csv"))))
    lines = ["# The figures of a study", "", _about(tables), ""]
    for name, caption in read_captions([REPORT / "figures.yaml"]).items():
        figure = results / "figures" / f"{name}.png"
        if figure.exists():
            shrink(figure, docs / "gallery" / f"{name}.png")
            said = " ".join(sentence.text for sentence in sentences_of(name, tables))
            lines += [f"## {caption['title']}", "", f"![{caption['title']}](gallery/{name}.png)", ""]
            lines += [f"{said} *{caption['caption']}*".strip(), ""]
    atomic_write(docs / "gallery.md", "\n".join(lines).rstrip() + "\n")


def _about(tables: Tables) -> str:
    said = " ".join(sentence.text for sentence in sentences.answer(tables))
    return (
        "Written from the finished study of [studies/real](../studies/real/config.yaml) by `make gallery`; the"
        f" sentences are read from its tables, as on every study's own page, `results/report.html`.\n\n{said}"
    )


def sentences_of(figure: str, tables: Tables) -> Iterator[Sentence]:
    """What a figure says."""
    found = sentences.insights(tables) + sentences.answer(tables)[1:]
    table = {"sizes": "summary", "classes": "per_class", "reliability": "calibration"}.get(figure, figure)
    yield from (sentence for sentence in found if table in sentence.tables)
    if figure == "curves":
        yield _curves(tables)


def _curves(tables: Tables) -> Sentence:
    mine = named(tables, "curves").of(sentences.best_run(tables))
    validated = mine.where(mine["val_percent"] != "")
    what, name = ("val_percent", "validation accuracy, percent,") if len(validated) else ("loss", "training loss")
    text = f"From step {{first[step]}} to step {{last[step]}} the {name} of {{first[scenario]}} ({{first.arm}})"
    text += f" goes from {{first[{what}]}} to {{last[{what}]}}."
    steps = validated if len(validated) else mine
    return say(text, first=steps.first(), last=steps.last())


def shrink(figure: Path, output: Path) -> None:
    """A figure of at most `WIDTH` pixels and `COLORS` colors."""
    with Image.open(figure) as image:
        image = image.convert("RGB")
        if image.width > WIDTH:
            image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        with atomic_path(output) as temporary:
            image.quantize(COLORS, dither=Image.Dither.NONE).save(temporary, format="PNG", optimize=True)


if __name__ == "__main__":
    write_gallery(*sys.argv[1:])
