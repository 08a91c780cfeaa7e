"""The page itself: tables, sentences, charts and images put into its template."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from distillery.analysis.display_names import source_title
from distillery.jobs import log
from distillery.page import charts, images, sentences
from distillery.page.quoting import Tables, arm_name
from distillery.storage.files import atomic_write

HERE = Path(__file__).parent
# as the study's sources are told apart on the page, without what only the retrieval needs
SHOWN_OF_SOURCE = (
    "kind",
    "per_class",
    "model",
    "steps",
    "guidance",
    "size",
    "scheduler",
    "path",
    "filters",
    "random_weights",
)


@dataclass(frozen=True)
class Study:
    """What the page shows of the configuration.

    Attributes:
        title, label: of the study; the label stands across the top when not empty.
        classes: queries and prompts by class.
        sources: settings of the sources used, by name.
        scenarios: settings by name.
        arms: settings by name.
    """

    title: str
    label: str
    classes: Mapping[str, Mapping[str, Sequence[str]]]
    sources: Mapping[str, Mapping[str, Any]]
    scenarios: Mapping[str, Mapping[str, Any]]
    arms: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Files:
    """What the page is made of.

    Attributes:
        tables: the `.csv`, known by their names.
        figures: the `.png`, known by their names; the summary first.
        captions: the `.yaml` of figures' titles and captions, and `.rst` of those that it does not hold.
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


def write_page(study: Study, files: Files, output: str | Path) -> None:
    """Write the page, one file that needs nothing else; the same files give the same bytes."""
    tables = read_tables(files.tables)
    pixels = {Path(path).stem: path for path in files.pixels}
    galleries = {Path(path).stem: images.gallery(pixels[Path(path).stem], path) for path in files.curated}
    tests = images.tests(files.images, pixels, list(study.classes))
    template = _environment().get_template("template.html")
    page = template.render(
        study=study,
        tables=tables,
        answer=sentences.answer(tables),
        exported=sentences.exported(tables),
        insights=sentences.insights(tables),
        limitations=sentences.limitations(tables),
        sources=source_cards(study, tables, galleries),
        scenarios=scenario_cards(study, tables),
        figures=figures(files.figures, read_captions(files.captions)),
        citation=citation(files.citation),
        arm_name=arm_name,
        source_title=source_title,
        tested=len(tests.places),
        total=tests.total,
        style=(HERE / "style.css").read_text(encoding="utf-8"),
        script=(HERE / "script.js").read_text(encoding="utf-8"),
        vega=vega(),
        data=for_script(page_data(study, tables, galleries, tests)),
    )
    atomic_write(output, page)
    log.info("page of %.1f MB", len(page.encode()) / 1e6)


def read_tables(paths: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Tables by name, every cell the text that it is in its file."""
    return {Path(path).stem: pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths}


def page_data(study: Study, tables: Tables, galleries: Mapping[str, Mapping], tests: images.Tests) -> dict[str, Any]:
    """What the page's script works on."""
    arms = list(dict.fromkeys(tables["summary"]["arm"]))
    return {
        "rows": charts.rows(tables["summary"]),
        "chart": charts.summary_chart(tables["summary"]),
        "rowHeight": charts.row_height(tables["summary"]),
        "classes": list(study.classes),
        "trained": {name: list(settings["train"]) for name, settings in study.scenarios.items()},
        "seeds": _seeds(tables["summary"]),
        "arms": {arm: arm_name(arm) for arm in arms},
        "galleries": {
            name: {"sheet": asdict(known["sheet"]), "items": known["items"]} for name, known in galleries.items()
        },
        "tests": {
            "sheets": {name: asdict(known) for name, known in tests.sheets.items()},
            "places": tests.places,
            "said": tests.said,
        },
    }


def _seeds(summary: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Trainings by scenario and arm."""
    found: dict[str, dict[str, int]] = {}
    for row in summary.to_dict("records"):
        found.setdefault(row["scenario"], {})[row["arm"]] = int(row["n_seeds"])
    return found


def source_cards(study: Study, tables: Tables, galleries: Mapping[str, Mapping]) -> list[dict[str, Any]]:
    """A card a source: its settings, what became of its images, what the teacher knows and doubts of them."""
    counts = tables["counts"]
    cards = []
    for name, settings in study.sources.items():
        if name not in galleries:
            continue
        mine = counts[counts["source"] == name].drop(columns=["source", "class"]).apply(pd.to_numeric).sum()
        fates = [(key.removeprefix("dropped_").replace("_", " "), int(n)) for key, n in mine.items() if n]
        known = {key: settings[key] for key in SHOWN_OF_SOURCE if settings.get(key) not in (None, "", {}, False)}
        trust = {}
        for table in ("leakage", "audit"):
            trust[table] = tables[table][tables[table]["source"] == name].to_dict("records")[:1]
        cards.append({"name": name, "settings": known, "fates": fates, **trust})
    return cards


def scenario_cards(study: Study, tables: Tables) -> list[dict[str, Any]]:
    """A card a scenario: what it trains on, its rows of the summary, of the ranking and of the test sources."""
    cards = []
    for name, settings in study.scenarios.items():
        mine = {
            table: tables[table][tables[table]["scenario"] == name].to_dict("records")
            for table in ("summary", "ranking", "test_sources", "published")
        }
        if mine["summary"]:
            cards.append({"name": name, "settings": settings, **mine})
    return cards


def read_captions(paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Titles and captions of the figures, by name."""
    found: dict[str, dict[str, Any]] = {}
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".rst":
            found[path.stem] = {"title": path.stem.capitalize(), "caption": " ".join(text.split())}
        else:
            found |= yaml.safe_load(text)
    return found


def figures(paths: Sequence[str], captions: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """The figures with their captions, as data URLs."""
    found = []
    for path in map(Path, paths):
        about = captions[path.stem]
        data = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        found.append({"name": path.stem, "title": about["title"], "caption": about["caption"], "data": data})
    return found


def citation(path: str | Path) -> str:
    """A BibTeX entry of the software and of the references it names."""
    about = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    entries = [("software", "distillery", about)]
    entries += [("article", f"reference{i}", reference) for i, reference in enumerate(about.get("references", ()), 1)]
    return "\n\n".join(_entry(*entry) for entry in entries)


def _entry(kind: str, key: str, about: Mapping[str, Any]) -> str:
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in about["authors"]
    )
    fields = {"title": about["title"], "author": authors, "year": about.get("year"), "version": about.get("version")}
    fields["note"] = ", ".join(one["value"] for one in about.get("identifiers", ()))
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def for_script(data: Any) -> str:
    """JSON that ends no script element, whatever titles of the web hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that asks no network."""
    import vl_convert

    return vl_convert.javascript_bundle().replace("</script", "<\\/script")


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
