"""Read a scenario's key `clean`: which train images the scenario leaves out, and which files decide that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distillery.config.queries.derived_sources import unlabeled_sources
from distillery.config.queries.source_queries import Study


def cleans_labels(scenario: Mapping[str, Any]) -> bool:
    """Whether a scenario leaves out images whose label is flagged."""
    clean = scenario.get("clean", False)
    return clean["labels"] if isinstance(clean, dict) else bool(clean)


def kinds_trained_on(study: Study, scenario: str) -> list[str]:
    """The kinds of images that a scenario trains on; empty for all kinds."""
    clean = study["scenarios"][scenario]["clean"]
    return clean.get("kinds", []) if isinstance(clean, dict) else []


def cleaned_sources(study: Study) -> list[str]:
    """The sources from which some scenario leaves out flagged images, in the configuration's order."""
    cleaned = {
        name for scenario in study["scenarios"].values() if cleans_labels(scenario) for name in scenario["train"]
    }
    return [name for name in study["sources"] if name in cleaned]


def audits_of(study: Study, scenario: str, own_test: bool = False) -> list[str]:
    """The label audits that a scenario needs: one for each of its labeled sources; none if it keeps flagged images.

    Args:
        own_test: whether to name the audits of the teacher's own test images instead, one for each source's classes.
    """
    settings = study["scenarios"][scenario]
    ending = ".own_test" * own_test + ".parquet"
    audited = [source for source in settings["train"] if source not in unlabeled_sources(study)]
    return [f"results/audit/{source}{ending}" for source in audited] if cleans_labels(settings) else []
