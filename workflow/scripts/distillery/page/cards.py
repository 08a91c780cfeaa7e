"""Collects the data of the page's cards, one for each source and each scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from distillery.display_names import not_run_text, source_title
from distillery.page.sentences.quoting import Tables
from distillery.wording import plural

# settings of a source that the page shows; the others only concern retrieval
SHOWN_OF_SOURCE = (
    "kind", "per_class", "model", "steps", "guidance", "size", "scheduler", "path", "labels", "threshold", "filters",
    "random_weights",
)  # fmt: skip
KEPT = "kept_"  # prefix of the columns of counts.csv that count kinds of images


@dataclass(frozen=True)
class StudyInfo:
    """The parts of the configuration that the page shows.

    Attributes:
        title: title of the study.
        label: text beside the title; none if empty.
        classes: queries and prompts by class.
        sources: settings of the sources used, by name.
        scenarios: settings by name.
        arms: settings by name.
        titles: title of each source, from `display_names.source_titles`.
        about: the user's own text, paragraphs separated by a blank line.
        authors: authors of the study.
    """

    title: str
    label: str
    classes: Mapping[str, Mapping[str, Sequence[str]]]
    sources: Mapping[str, Mapping[str, Any]]
    scenarios: Mapping[str, Mapping[str, Any]]
    arms: Mapping[str, Mapping[str, Any]]
    titles: Mapping[str, str]
    about: str = ""
    authors: Sequence[str] = ()


def source_cards(study: StudyInfo, tables: Tables, samples: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A card per source: its settings, counts of its candidates, leakage and likely label errors.

    Args:
        study: the configuration.
        tables: all tables by name.
        samples: sample images (`images.SourceSample`) by source; sources without them get no card.
    """
    counts = tables["counts"]
    cards = []
    for name, settings in study.sources.items():
        if name not in samples:
            continue
        rows = counts[counts["source"] == name]
        sums = rows.drop(columns=["source", "class", "refused"], errors="ignore").apply(pd.to_numeric).sum()
        shown = {key: settings[key] for key in SHOWN_OF_SOURCE if settings.get(key) not in (None, "", {}, False)}
        card: dict[str, Any] = {"name": name, "title": source_title(name, study.titles), "settings": shown}
        kinds = {key: int(n) for key, n in sums.items() if key.startswith(KEPT) and n}
        sums = sums.drop([key for key in sums.index if key.startswith(KEPT)])
        card["counts"] = [(key.removeprefix("dropped_").replace("_", " "), int(n)) for key, n in sums.items() if n]
        card["kinds"] = ", ".join(f"{n:,} {key.removeprefix(KEPT).replace('_', ' ')}" for key, n in kinds.items())
        card["line"] = _source_line(card["counts"], settings)
        card |= {"refused": _refused(rows), "has_images": bool(samples[name].items)}
        for table in ("leakage", "audit"):
            card[table] = tables[table][tables[table]["source"] == name].to_dict("records")[:1]
        card["chosen"] = ""
        if "acceptance" in tables:  # a study without such sources has no table
            card["chosen"] = _chosen_line(tables["acceptance"][tables["acceptance"]["source"] == name])
        cards.append(card)
    return cards


def _source_line(counts: Sequence[tuple[str, int]], settings: Mapping[str, Any]) -> str:
    """One line on a source: how many candidates were kept, and which model generated or labeled them."""
    count = dict(counts)
    kept = f"{count.get('kept', 0):,} of {plural(count.get('candidates', 0), 'candidate')} kept"
    labels = {"teacher": "labeled by the teacher", "none": "used without labels"}.get(settings.get("labels", ""))
    made = f"diffusion model: {settings['model']}" if settings.get("model") else labels
    return f"{kept} · {made}" if made else kept


def _chosen_line(acceptance: pd.DataFrame) -> str:
    """How many generated images were kept, and of which class the smallest share; empty for a source that keeps all.

    Args:
        acceptance: the source's rows of `acceptance.csv`.
    """
    classes = acceptance[acceptance["prompt"] == ""]
    if classes.empty:
        return ""
    counts = classes[["kept", "rejected"]].apply(pd.to_numeric)
    scored = counts.sum(axis=1)
    least = (counts["kept"] / scored.where(scored > 0, 1)).argmin()
    scorer = {"clip": "CLIP", "teacher": "the teacher"}[classes["by"].iloc[0]]
    return (
        f"{counts['kept'].sum():,} of {scored.sum():,} images kept, to which {scorer} gives a probability of their"
        f" class of {classes['at_least'].iloc[0]} or more; the fewest of {classes['class'].iloc[least]},"
        f" {counts['kept'].iloc[least]:,} of {scored.iloc[least]:,}"
    )


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

    Key `not_run` has the reason why a scenario is not run; it is empty for one that is run.
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
