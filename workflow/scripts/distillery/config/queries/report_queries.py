"""Read a checked configuration for the report: published results, figures and their headings.

Each function takes the study as `reading.check_config` returns it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from distillery.config.queries.source_queries import Study

# source of the published study → its kind
PUBLISHED_KINDS = {"google": "google", "bing": "bing", "sd2": "diffusion", "sd3": "diffusion"}


def has_published_kinds(study: Study, scenario: str) -> bool:
    """Whether all sources that a scenario trains on are of kinds that the published study used.

    A source with the name of a published source must be of the same kind as that one.
    """
    trained = {name: study["sources"][name]["kind"] for name in study["scenarios"][scenario]["train"]}
    kinds = set(PUBLISHED_KINDS.values())
    return all(kind in kinds and PUBLISHED_KINDS.get(name, kind) == kind for name, kind in trained.items())


def scenarios_as_shown(study: Study) -> dict[str, dict[str, Any]]:
    """The scenarios, without the published results of those that train on other kinds of sources."""
    return {
        name: {key: value for key, value in settings.items() if key != "published" or has_published_kinds(study, name)}
        for name, settings in study["scenarios"].items()
    }


def label_of_figures(study: Study) -> str:
    """The label on every figure of a demonstration; empty if the study is none."""
    return study["demo"]["label"] if "demo" in study else ""


def figures_of_study(study: Study, figures: Iterable[str]) -> list[str]:
    """The figures that have something to show in this study.

    Args:
        figures: names of all figures that are drawn from tables alone.
    """
    arms = [set(scenario["arms"]) for scenario in study["scenarios"].values()]
    empty = set() if study["comparisons"] else {"comparisons"}
    if not any(f"published_{arm}" in names for names in arms for arm in names):
        empty.add("faults")
    usual = {"scratch", "kd", "published_scratch", "published_kd"}
    shown = scenarios_as_shown(study).values()
    if not any(scenario.get("published") and usual & set(scenario["arms"]) for scenario in shown):
        empty.add("published")
    return [name for name in figures if name not in empty]


def heading_of_figure(study: Study, about: Mapping[str, Any]) -> str:
    """A figure's heading: its own title, then the study's.

    Args:
        about: the figure's entry in figures.yaml.
    """
    return f"{about['title']}: {study['title']}"
