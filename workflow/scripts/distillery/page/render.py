"""Renders the page: puts tables, sentences, charts and images into its template."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from distillery.analysis.table_files import run_rows
from distillery.display_names import display_name, not_run_text, source_title, source_with_title
from distillery.jobs import log
from distillery.page import charts, images
from distillery.page.answer import answer, export_target
from distillery.page.insights import insights
from distillery.page.limitations import limitations
from distillery.page.quoting import Tables
from distillery.storage.files import atomic_write
from distillery.wording import plural

HERE = Path(__file__).parent
# settings of a source that the page shows; the others concern its retrieval alone
SHOWN_OF_SOURCE = (
    "kind", "per_class", "model", "steps", "guidance", "size", "scheduler", "path", "filters", "random_weights",
)  # fmt: skip
ARM_COLUMNS = ("arm", "versus_arm")  # shown by their display names


@dataclass(frozen=True)
class StudyInfo:
    """What the page shows of the configuration.

    Attributes:
        title: of the study.
        label: stands in a strip across the top when not empty.
        classes: queries and prompts by class.
        sources: settings of the sources used, by name.
        scenarios: settings by name.
        arms: settings by name.
        titles: of the sources, from `display_names.source_titles`.
    """

    title: str
    label: str
    classes: Mapping[str, Mapping[str, Sequence[str]]]
    sources: Mapping[str, Mapping[str, Any]]
    scenarios: Mapping[str, Mapping[str, Any]]
    arms: Mapping[str, Mapping[str, Any]]
    titles: Mapping[str, str]


@dataclass(frozen=True)
class PageInputs:
    """The files that the page is made from.

    Attributes:
        tables: the `.csv`, identified by their names.
        figures: the `.png`, identified by their names; the summary first.
        captions: the `.yaml` with figures' titles and captions, and an `.rst` for each figure that it lacks.
        images: `images.parquet`.
        pixels, curated: `.npy` and `.parquet` of the sources used, in their order.
        citation: `CITATION.cff`.
    """

    tables: Sequence[str]
    figures: Sequence[str]
    captions: Sequence[str]
    images: str
    pixels: Sequence[str]
    curated: Sequence[str]
    citation: str


def write_page(study: StudyInfo, files: PageInputs, output: str | Path) -> None:
    """Write the page as one HTML file that needs no other; the same inputs give the same bytes."""
    tables = read_tables(files.tables)
    pixels = {Path(path).stem: path for path in files.pixels}
    samples = {Path(path).stem: images.source_sample(pixels[Path(path).stem], path) for path in files.curated}
    tests = images.load_test_images(files.images, pixels, list(study.classes))
    page = (
        _environment()
        .get_template("template.html")
        .render(
            study=study,
            tables=tables,
            answer=answer(tables),
            export_target=export_target(tables),
            insights=insights(tables, study.titles),
            limitations=limitations(tables, study.titles),
            sources=source_cards(study, tables, samples),
            scenarios=scenario_cards(study, tables),
            figures=figure_entries(files.figures, read_captions(files.captions)),
            citation=bibtex(files.citation),
            arm_columns=ARM_COLUMNS,
            display_name=display_name,
            source_title=partial(source_title, titles=study.titles),
            source_with_title=partial(source_with_title, titles=study.titles),
            plural=plural,
            shown=len(tests.places),
            total=tests.total,
            style=(HERE / "style.css").read_text(encoding="utf-8"),
            script=(HERE / "script.js").read_text(encoding="utf-8"),
            vega=vega(),
            data=script_json(page_data(study, tables, samples, tests)),
        )
    )
    atomic_write(output, page)
    log.info("page of %.1f MB", len(page.encode()) / 1e6)


def read_tables(paths: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Tables by name; every cell is text, as in its file."""
    return {Path(path).stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths}


def page_data(
    study: StudyInfo, tables: Tables, samples: Mapping[str, images.SourceSample], tests: images.TestImages
) -> dict[str, Any]:
    """The data of the page's script."""
    summary = tables["summary"]
    return {
        "rows": charts.chart_rows(summary),
        "chart": charts.summary_chart(summary),
        "rowHeight": charts.row_height(summary),
        "classes": list(study.classes),
        "trained": {name: list(settings["train"]) for name, settings in study.scenarios.items()},
        "seeds": _seeds(summary),
        "sources": {name: source_title(name, study.titles) for name in study.sources},
        "arms": {arm: display_name(arm) for arm in dict.fromkeys(summary["arm"])},
        "samples": {name: asdict(sample) for name, sample in samples.items()},
        "tests": {
            "sheets": {name: asdict(sheet) for name, sheet in tests.sheets.items()},
            "places": tests.places,
            "predictions": tests.predictions,
        },
    }


def _seeds(summary: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Number of trainings by scenario and arm."""
    seeds: dict[str, dict[str, int]] = {}
    for row in run_rows(summary).to_dict("records"):
        seeds.setdefault(row["scenario"], {})[row["arm"]] = int(row["n_seeds"])
    return seeds


def source_cards(study: StudyInfo, tables: Tables, samples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A card per source: its settings, counts of its candidates, its leakage, and its likely label errors."""
    counts = tables["counts"]
    cards = []
    for name, settings in study.sources.items():
        if name not in samples:
            continue
        mine = counts[counts["source"] == name]
        sums = mine.drop(columns=["source", "class", "refused"], errors="ignore").apply(pd.to_numeric).sum()
        shown = {key: settings[key] for key in SHOWN_OF_SOURCE if settings.get(key) not in (None, "", {}, False)}
        card: dict[str, Any] = {"name": name, "settings": shown}
        card["counts"] = [(key.removeprefix("dropped_").replace("_", " "), int(n)) for key, n in sums.items() if n]
        card |= {"refused": _refused(mine), "has_images": bool(samples[name].items)}
        for table in ("leakage", "audit"):
            card[table] = tables[table][tables[table]["source"] == name].to_dict("records")[:1]
        cards.append(card)
    return cards


def _refused(counts: pd.DataFrame) -> str:
    """Which classes a source refused and why, in words; empty if it refused none.

    Args:
        counts: the source's rows of `counts.csv`.
    """
    if "refused" not in counts:
        return ""
    refused = counts[counts["refused"] != ""]
    return ", ".join(f"{row['class']} ({row['refused']})" for row in refused.to_dict("records"))


def scenario_cards(study: StudyInfo, tables: Tables) -> list[dict[str, Any]]:
    """A card per scenario: its settings, and its rows of the summary, ranking, test sources and published numbers.

    Key `not_run` says in words why it is not run, empty if it is.
    """
    cards = []
    for name, settings in study.scenarios.items():
        rows = {
            table: tables[table][tables[table]["scenario"] == name].to_dict("records")
            for table in ("summary", "ranking", "test_sources", "published")
        }
        if rows["summary"]:
            reason = rows["summary"][0].get("not_run", "")
            cards.append({"name": name, "settings": settings, "not_run": reason and not_run_text(reason), **rows})
    return cards


def read_captions(paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Titles and captions of the figures, by name."""
    captions: dict[str, dict[str, Any]] = {}
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".rst":
            captions[path.stem] = {"title": path.stem.capitalize(), "caption": " ".join(text.split())}
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


def bibtex(path: str | Path) -> str:
    """BibTeX entries of the software and of its references, from a `CITATION.cff`."""
    about = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    entries = [_bibtex_entry("software", "distillery", about)]
    for i, reference in enumerate(about.get("references", ()), 1):
        entries.append(_bibtex_entry("article", f"reference{i}", reference))
    return "\n\n".join(entries)


def _bibtex_entry(kind: str, key: str, about: Mapping[str, Any]) -> str:
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in about["authors"]
    )
    fields = {"title": about["title"], "author": authors, "year": about.get("year"), "version": about.get("version")}
    fields["note"] = ", ".join(one["value"] for one in about.get("identifiers", ()))
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def script_json(data: Any) -> str:
    """JSON for a script element; no text in it, such as a title from the web, can end that element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that needs no network."""
    import vl_convert

    # its stub demands a snippet; without one the bundle defines vegaEmbed for the page
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return bundle.replace("</script", "<\\/script")


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
