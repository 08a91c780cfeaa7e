"""Renders the HTML report from tables, sentences, charts and images."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from distillery.analysis.formatting import p_title
from distillery.analysis.table_files import read_text_table, run_rows
from distillery.display_names import display_name, source_title, source_with_title
from distillery.jobs import log
from distillery.page import images
from distillery.page.cards import StudyInfo, scenario_cards, source_cards
from distillery.page.chart import NEXT_LINE, Chart, color_of, shape_of, summary_chart
from distillery.page.citation import bibtex
from distillery.page.flow import COUNTED, flow
from distillery.page.script_data import page_data, script_json
from distillery.page.sentences.answer import answer, export_target
from distillery.page.sentences.insights import insights
from distillery.page.sentences.key_figures import key_figures
from distillery.page.sentences.limitations import limitations
from distillery.page.sentences.quoting import Tables
from distillery.page.words import TERMS, explained, typeset, with_terms
from distillery.storage.files import atomic_write
from distillery.wording import plural

HERE = Path(__file__).parent
ARM_COLUMNS = ("arm", "versus_arm", "versus")  # their cells are shown as display names
COMPARISON_COLUMNS = (
    ("question", "question"), ("scenario", "scenario"), ("arm", "arm"), ("versus_scenario", "against scenario"),
    ("versus_arm", "against arm"), ("difference", "difference"), ("low", "low"), ("high", "high"),
    ("p_holm", "p"), ("verdict", "verdict"), ("not_covered", "not covered"), ("detectable", "detectable"),
)  # fmt: skip
COMPARISON_CAPTION = (
    "Differences in percentage points. Intervals and p cover other trainings and other test images. Detectable: the"
    " smallest true difference that would be found four times in five"
)


@dataclass(frozen=True)
class PageInputs:
    """The files that the page is made from.

    Attributes:
        tables: the `.csv` files, identified by their names.
        figures: the `.png` files, identified by their names; the summary first.
        captions: the `.yaml` with titles of figures, and an `.rst` with the caption of each figure.
        images: `images.parquet`.
        pixels, curated: `.npy` and `.parquet` of the sources used, in their order.
        shards: the `.tar` of the sources' pools, in folders named by source, for sample images.
        citation: `CITATION.cff`.
    """

    tables: Sequence[str]
    figures: Sequence[str]
    captions: Sequence[str]
    images: str
    pixels: Sequence[str]
    curated: Sequence[str]
    shards: Sequence[str]
    citation: str


def write_page(study: StudyInfo, files: PageInputs, output: str | Path) -> None:
    """Write the page as one self-contained HTML file; the same inputs give the same bytes."""
    tables = read_tables(files.tables)
    pixels = {Path(path).stem: path for path in files.pixels}
    samples = {}
    for path in files.curated:
        source = Path(path).stem
        shards = [shard for shard in files.shards if Path(shard).parent.name == source]
        samples[source] = images.source_sample(pixels[source], path, shards)
    tests = images.load_test_images(files.images, pixels, list(study.classes))
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    chart = summary_chart(tables)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            study=study,
            tables=tables,
            **answer_section(study, tables, chart),
            **how_section(study, tables),
            export_target=export_target(tables),
            insights=insights(tables, study.titles),
            limitations=limitations(tables, study.titles),
            sources=source_cards(study, tables, samples),
            scenarios=scenario_cards(study, tables),
            figures=figure_entries(files.figures, read_captions(files.captions)),
            **comparison_table(tables["comparisons"]),
            p_title=p_title(tables["comparisons"]),
            citation=bibtex(files.citation),
            arm_columns=ARM_COLUMNS,
            display_name=display_name,
            source_title=partial(source_title, titles=study.titles),
            source_with_title=partial(source_with_title, titles=study.titles),
            plural=plural,
            terms=TERMS,
            term=explained,
            shown=len(tests.places),
            total=tests.total,
            style=style,
            script=script,
            policy=content_policy(style, script),
            data=script_json(page_data(study, tables, samples, tests)),
        )
    )
    atomic_write(output, page)
    log.info("wrote a page of %.1f MB", len(page.encode()) / 1e6)


def answer_section(study: StudyInfo, tables: Tables, chart: Chart) -> dict[str, Any]:
    """Template variables of the first screen."""
    run, sentences = run_rows(tables["summary"]), answer(tables)
    return {
        "answer": list(zip(sentences, with_terms(typeset(one.text) for one in sentences), strict=True)),
        "key_figures": key_figures(tables),
        "chart": chart,
        "next_line": NEXT_LINE,
        "color_of": color_of,
        "shape_of": shape_of,
        "filters": filters(study, chart),
        "seeds": _counted(run, "n_seeds", "seed"),
        "test_images": _counted(run, "n_test", "test image"),
    }


def comparison_table(comparisons: pd.DataFrame) -> dict[str, Any]:
    """Template variables of the table of declared questions: its columns and caption.

    What is the same in all rows stands in the caption: the question, and what is not covered. The scenario compared
    with has a column only where it is another one.
    """
    same: set[str] = set()
    before = after = ""
    if comparisons["question"].nunique() == 1:
        same.add("question")
        before = comparisons["question"].iloc[0] + " "
    if comparisons["not_covered"].nunique() == 1:
        same.add("not_covered")
        shared = comparisons["not_covered"].iloc[0]
        after = f". Not covered, because all runs share it: {shared}" if shared else ""
    if (comparisons["scenario"] == comparisons["versus_scenario"]).all():
        same.add("versus_scenario")
    columns = [(name, title) for name, title in COMPARISON_COLUMNS if name not in same]
    return {
        "comparison_columns": with_p_title(columns, comparisons),
        "comparison_caption": before + COMPARISON_CAPTION + after,
    }


def with_p_title(columns: Sequence[tuple[str, str]], comparisons: pd.DataFrame) -> list[tuple[str, str]]:
    """(Column, heading) pairs of a table, with the correction in the heading of p."""
    return [(name, p_title(comparisons) if name == "p_holm" else title) for name, title in columns]


def how_section(study: StudyInfo, tables: Tables) -> dict[str, Any]:
    """Template variables of the section on how the study was done."""
    return {
        "flow": flow(tables, study.titles),
        "flow_columns": [(name, name) for name in COUNTED if name in tables["counts"]],
    }


def _counted(run: pd.DataFrame, column: str, noun: str) -> str:
    """A count with its noun if all rows have the same count; otherwise empty."""
    counts = run[column].unique() if column in run else []
    return plural(int(counts[0]), noun) if len(counts) == 1 else ""


def filters(study: StudyInfo, chart: Chart) -> list[dict[str, Any]]:
    """Filters of the chart, each with at least two choices; none for a chart of one scenario."""
    trained = {source for settings in study.scenarios.values() for source in settings["train"]}
    sources = [(name, source_title(name, study.titles)) for name in study.sources if name in trained]
    sizes = [(group.size, group.size) for group in chart.groups]
    choices = (("size", "Size", sizes), ("source", "Trained on", sources))
    found = [{"name": name, "title": title, "choices": values} for name, title, values in choices if len(values) > 1]
    return found if sum(len(group.rows) for group in chart.groups) > 1 else []


def content_policy(style: str, script: str) -> str:
    """The page's content security policy: only its own script and style run, and it loads nothing from other addresses.

    Args:
        style, script: contents of the page's elements `style` and `script`.
    """
    allowed = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": _source_hash(style),
        "script-src": _source_hash(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{directive} {sources}" for directive, sources in allowed.items())


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def read_tables(paths: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Read `.csv` tables, by name; every cell is text, as in its file."""
    return {Path(path).stem: read_text_table(path) for path in paths}


def read_captions(paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Titles and captions of the figures, by name.

    Args:
        paths: the `.yaml` with titles, then the captions: `figure_{name}.rst`, or `{name}.rst` of a figure that is not
            in the `.yaml`.
    """
    captions: dict[str, dict[str, Any]] = {}
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".rst":
            name = path.stem.removeprefix("figure_")
            captions.setdefault(name, {"title": name.capitalize()})["caption"] = " ".join(text.split())
        else:
            captions |= yaml.safe_load(text)
    return captions


def figure_entries(paths: Sequence[str], captions: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """The figures with their titles and captions, as data URLs."""
    entries = []
    for path in map(Path, paths):
        about = captions[path.stem]
        data = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        entries.append({"name": path.stem, "title": about["title"], "caption": about["caption"], "data": data})
    return entries


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    return environment
